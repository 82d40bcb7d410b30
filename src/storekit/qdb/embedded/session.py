"""The session, which takes the lock of its connection, and for writes the turn in the queue."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

from storekit.qdb.alone import run_alone
from storekit.qdb.embedded.batches import READ_ONLY, TOGETHER
from storekit.qdb.embedded.connection import Connection
from storekit.qdb.embedded.groups import WriteQueue
from storekit.qdb.embedded.large_contents import LargeContents
from storekit.qdb.embedded.operations import EmbeddedOperations
from storekit.qdb.embedded.status import EmbeddedNode
from storekit.qdb.engine import BatchOperation, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["EmbeddedSession"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_SKIPPED = Outcome(ErrorCode.SKIPPED)
_EACH = 64  # bytes that each operation counts in addition to its content
_OF_ALL = (
    ErrorCode.RESOURCE_LOCKED,
    ErrorCode.INVALID_HANDLE,
    ErrorCode.NOT_CONNECTED,
    ErrorCode.TIMEOUT,
)
"""Errors that concern all calls, or after which a call must not be repeated."""


class EmbeddedSession(EmbeddedOperations):
    """A session with an embedded store, as `storekit.qdb.engine.Session` describes it.

    It is thread-safe; calls of one session wait for each other. Besides the errors of the
    protocol, calls may raise `RESOURCE_LOCKED` if another process keeps the store locked for
    longer than the timeout of the engine, or in the middle of another call of the same thread;
    `NO_SPACE_LEFT`, `OPERATION_NOT_PERMITTED` if the file can't be written, `DATA_CORRUPTION` and
    `SYSTEM_LOCAL`. Nothing of the call is stored then. After `TIMEOUT`, it may be stored.

    Writes of all sessions with the same `queue` are made in groups.
    """

    def __init__(
        self,
        connection: Connection,
        node: EmbeddedNode,
        large: LargeContents | None = None,
        queue: WriteQueue | None = None,
    ) -> None:
        super().__init__(connection, node, large)
        # Unlike the methods of the session, these operations require the lock and the turn.
        self._held = EmbeddedOperations(connection, node, large)
        self._queue = queue
        self._closed = False
        node.opened(self)

    def wait_until(self, until: float | None) -> None:
        """Set the time (monotonic) until which the next calls may wait for others."""
        self.connection.limit = until

    def is_free(self) -> bool:
        """Return whether a call would not have to wait for a call of another thread."""
        return self.connection.is_free()

    def _read(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        return self.connection.call(function, *args)

    def _write(self, function: Callable[[EmbeddedOperations], T], size: int = 0) -> T:
        if self._queue is None:
            return self.connection.call(function, self._held)
        return self._queue.write(self._held, function, size)

    # Batches

    def run_batch(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        """Run operations independently, in order; none of them if one is malformed."""
        malformed = [self.batches.malformed(operation) for operation in operations]
        if any(code is not None for code in malformed):
            return [_SKIPPED if code is None else Outcome(code) for code in malformed]
        outcomes: list[Outcome] = []
        for start in range(0, len(operations), TOGETHER):
            some = operations[start : start + TOGETHER]
            try:
                outcomes += self._run_together(some)
            except QuasardbException as error:
                # The store failed as a whole, and none of these operations is done.
                if error.error_code == ErrorCode.NO_SPACE_LEFT:
                    outcomes += [self._run_single(operation) for operation in some]
                    continue
                if start == 0 and error.error_code != ErrorCode.RESOURCE_LOCKED:
                    raise
                return outcomes + [Outcome(error.error_code)] * (len(operations) - start)
        return outcomes

    def _run_together(self, some: Sequence[BatchOperation]) -> list[Outcome]:
        if _is_read_only(some):
            return self._read(self.batches.run, some)
        return self._write(lambda do: do.batches.run(some), _size(some))

    def _run_single(self, operation: BatchOperation) -> Outcome:
        return self._write(lambda do: do.batches.outcome(operation), _size([operation]))

    def run_transaction(
        self, operations: Sequence[BatchOperation]
    ) -> tuple[int, int, list[Outcome]]:
        """Run all in order, or none; return error code, index of the failed one, outcomes."""
        refused = self.batches.refuse(operations)
        if refused is not None:
            return refused
        try:
            return self._write(lambda do: do.batches.transact(operations), _size(operations))
        except QuasardbException as error:
            if error.error_code != ErrorCode.RESOURCE_LOCKED:
                raise
            return ErrorCode.CONFLICT, 0, [_SKIPPED] * len(operations)

    def run_joined(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        """Run operations independently; writes are made in one transaction, or a few."""
        outcomes: list[Outcome] = []
        for start in range(0, len(operations), TOGETHER):
            some = operations[start : start + TOGETHER]
            try:
                outcomes += self._run_joined(some)
            except QuasardbException as error:
                if error.error_code in _OF_ALL:
                    if start == 0:
                        raise
                    failed = Outcome(error.error_code, None, error.detail)
                    return outcomes + [failed] * (len(operations) - start)
                # One operation made the transaction fail, and none is done: run them separately.
                outcomes += [run_alone(self, operation) for operation in some]
        return outcomes

    def _run_joined(self, some: Sequence[BatchOperation]) -> list[Outcome]:
        if len(some) == 1:
            return [run_alone(self, some[0])]
        if _is_read_only(some):
            return self._read(lambda: self._held.joined(some, writes=False))
        return self._write(lambda do: do.joined(some, writes=True), _size(some))

    # The node

    def node_status(self, node: str) -> bytes:
        """Return the status of the node, as JSON."""
        self.node.check(node)
        return self.node.status(*self._read(self.finding.totals))

    def node_config(self, node: str) -> bytes:
        """Return the configuration of the node, as JSON."""
        self.node.check(node)
        return self.node.config()

    def node_topology(self, node: str) -> bytes:
        """Return the topology, as JSON."""
        self.node.check(node)
        return self.node.topology()

    def node_stop(self, node: str, reason: str) -> None:
        """Raise `OPERATION_DISABLED`: the node ends with its process."""
        if not reason:
            raise error_for(ErrorCode.INVALID_ARGUMENT, "The reason is empty.")
        self.node.check(node)
        raise error_for(ErrorCode.OPERATION_DISABLED, "An embedded store ends with its process.")

    def close(self) -> None:
        """Close the session. Closing twice is fine."""
        if self.large is not None:
            with suppress(QuasardbException):  # another session will do it later
                self._write(lambda do: do.entries.tidy())
        self.connection.close()
        for each in (self, self._held):
            each.end()
        self.node.closed(self)


def _is_read_only(operations: Sequence[BatchOperation]) -> bool:
    return all(operation.kind in READ_ONLY for operation in operations)


def _size(operations: Sequence[BatchOperation]) -> int:
    """Return the size of the contents of operations in bytes, with `_EACH` for each operation."""
    size = _EACH * len(operations)
    for operation in operations:
        for content in (operation.content, operation.comparand):
            if isinstance(content, (bytes, bytearray, memoryview)):
                size += len(content)
    return size
