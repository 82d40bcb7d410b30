"""The session: it takes the lock of its connection, and its turn to write."""

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
_EACH = 64  # bytes that an operation counts for beside its content
_OF_ALL = (
    ErrorCode.RESOURCE_LOCKED,
    ErrorCode.INVALID_HANDLE,
    ErrorCode.NOT_CONNECTED,
    ErrorCode.TIMEOUT,
)
"""Errors that come to all calls alike, or after which a call is not to be made again."""


class EmbeddedSession(EmbeddedOperations):
    """A session with an embedded store, as `storekit.qdb.engine.Session` describes it.

    Any thread may call it; calls of one session wait for each other. Errors are
    `QuasardbException`s. Besides those of the protocol, there may be `RESOURCE_LOCKED` when
    another process keeps the store locked for longer than the engine's timeout, or when a call
    is made in the middle of another one of its thread; `NO_SPACE_LEFT`,
    `OPERATION_NOT_PERMITTED` for what can't be written, `DATA_CORRUPTION` and `SYSTEM_LOCAL`:
    nothing of the call is stored then. `TIMEOUT` says that it may be.

    With a `queue`, writes of all sessions that have the same one are made in groups.
    """

    def __init__(
        self,
        connection: Connection,
        node: EmbeddedNode,
        large: LargeContents | None = None,
        queue: WriteQueue | None = None,
    ) -> None:
        super().__init__(connection, node, large)
        # The operations that are made once the lock is held, and the turn: others than these.
        self._held = EmbeddedOperations(connection, node, large)
        self._queue = queue
        self._closed = False
        node.opened(self)

    def wait_until(self, until: float | None) -> None:
        """Have the next calls wait for others until this time (monotonic) at the latest."""
        self.connection.limit = until

    def is_free(self) -> bool:
        """Return whether no other thread is in a call that one of this session would wait for."""
        return self.connection.is_free()

    def _read(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        return self.connection.call(function, *args)

    def _write(self, function: Callable[[EmbeddedOperations], T], size: int = 0) -> T:
        if self._queue is None:
            return self.connection.call(function, self._held)
        return self._queue.write(self._held, function, size)

    # Batches

    def run_batch(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        """Run each for itself, in order; none if one is malformed."""
        malformed = [self.batches.malformed(operation) for operation in operations]
        if any(code is not None for code in malformed):
            return [_SKIPPED if code is None else Outcome(code) for code in malformed]
        outcomes: list[Outcome] = []
        for start in range(0, len(operations), TOGETHER):
            some = operations[start : start + TOGETHER]
            try:
                outcomes += self._run_together(some)
            except QuasardbException as error:
                # The store failed, not an operation, and none of these is done.
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
        """Run all in order or none: error code, index of the one that failed, outcomes."""
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
        """Run each as if it were alone; those that write are one change, or a few."""
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
                # One of them made the store fail, and none is done: which, the others don't tell.
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
        """Return the state of the node, as JSON."""
        self.node.check(node)
        return self.node.status(*self._read(self.finding.totals))

    def node_config(self, node: str) -> bytes:
        """Return the settings of the node, as JSON."""
        self.node.check(node)
        return self.node.config()

    def node_topology(self, node: str) -> bytes:
        """Return the neighbours of the node, as JSON."""
        self.node.check(node)
        return self.node.topology()

    def node_stop(self, node: str, reason: str) -> None:
        """Raise `OPERATION_DISABLED`: the node ends with its process."""
        if not reason:
            raise error_for(ErrorCode.INVALID_ARGUMENT, "Give a reason.")
        self.node.check(node)
        raise error_for(ErrorCode.OPERATION_DISABLED, "An embedded store ends with its process.")

    def close(self) -> None:
        """Close the session. Closing twice is fine."""
        if self.large is not None:
            with suppress(QuasardbException):  # others do it at another time
                self._write(lambda do: do.entries.tidy())
        self.connection.close()
        for each in (self, self._held):
            each.end()
        self.node.closed(self)


def _is_read_only(operations: Sequence[BatchOperation]) -> bool:
    return all(operation.kind in READ_ONLY for operation in operations)


def _size(operations: Sequence[BatchOperation]) -> int:
    """Return how many bytes operations have, and something for each."""
    size = _EACH * len(operations)
    for operation in operations:
        for content in (operation.content, operation.comparand):
            if isinstance(content, (bytes, bytearray, memoryview)):
                size += len(content)
    return size
