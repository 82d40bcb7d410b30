"""Group commit: writes to one file that wait at the same time become one transaction.

All threads of a process that write to one file, through any clients, share one queue. If no thread
is writing, a thread writes directly, without the queue. Otherwise it puts its write into the queue
and waits. The next thread that gets the turn makes all waiting writes, on its own connection, as
one transaction, and hands the results to the other threads. So one COMMIT, and one wait for the
disk, serves many writes; between two groups, other processes can write.

Guarantees, whatever interrupts the thread that writes for others:

- A write is reported as done only after its COMMIT has succeeded, and always then. The success is
  recorded in the same C call as the COMMIT.
- If a group was not committed, its writes go back to the head of the queue, except for those whose
  threads have stopped waiting.
- A write that fails does not affect the others: each is one statement, which SQLite runs
  atomically, or has a savepoint. If SQLite rolls back all, as it may when the disk is full, or the
  COMMIT fails, each write is made again in its own transaction.
- The turn is not handed to a certain thread: waiting threads check every 0.05 s whether it is free,
  so that a lost wake-up only costs time.
- A write that waits for longer than its timeout is withdrawn, and then certainly not made; if it is
  being made at that time, its end is waited for.

See `connection.py` for how a call cleans up; here it is the same with the turn for a lock.
"""

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from storekit.qdb.embedded.connection import WRITING, Connection
from storekit.qdb.embedded.lock import CallLock
from storekit.qdb.embedded.operations import EmbeddedOperations
from storekit.qdb.embedded.status import EmbeddedNode
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["WriteQueue", "queue_for"]

T = TypeVar("T")

_MOST_BYTES = 1 << 20  # of content in a group, so that large writes do not delay small ones
_MOST_WRITES = 256
_LOOK_AGAIN = 0.05  # s; see above


class QueuedWrite:
    """One waiting write. Its fields are its state; each is set in one step."""

    __slots__ = (
        "bell",
        "done",
        "error",
        "function",
        "node",
        "own",
        "size",
        "started",
        "value",
        "withdrawn",
    )

    def __init__(
        self, function: Callable[[EmbeddedOperations], Any], node: EmbeddedNode, size: int
    ) -> None:
        self.function: Callable[[EmbeddedOperations], Any] = function
        self.node: EmbeddedNode = node
        self.size: int = size
        self.value: Any = None
        self.error: QuasardbException | None = None
        self.started: bool = False  # by the thread that has the turn, which also finishes it
        self.done: bool = False
        self.withdrawn: bool = False  # not to be made, if it is not started
        # To be made by its own thread, because another one was interrupted while making it.
        self.own: bool = False
        self.bell: threading.Lock = threading.Lock()
        self.bell.acquire()

    def finish(self) -> None:
        """Mark the write as done, and wake the thread that waits for it."""
        self.done = True
        self.ring()

    def ring(self) -> None:
        """Wake the thread that waits, to check the state."""
        with suppress(RuntimeError):  # already rung
            self.bell.release()


class WriteQueue:
    """The writes of one process to one file."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all writes and the turn, as in a forked process."""
        self._turn = CallLock()
        # Separate queues, since the writes of a group are either all synced or not.
        self._plain: deque[QueuedWrite] = deque()
        self._synced: deque[QueuedWrite] = deque()
        self._group: list[QueuedWrite] = []  # taken by the thread that has the turn
        self._making: Sequence[QueuedWrite] = ()  # in the current transaction
        self._at: QueuedWrite | None = None
        self._committed: list[object] = []  # not empty once the current transaction is committed

    def write(
        self, operations: EmbeddedOperations, function: Callable[[EmbeddedOperations], T], size: int
    ) -> T:
        """Return the result of `function`, called with these operations or those of another thread.

        Raises what it raises, and `RESOURCE_LOCKED` in the middle of another write of this
        thread, or if others write for longer than the timeout; nothing is done then.
        """
        if self._turn.is_held():
            raise error_for(
                ErrorCode.RESOURCE_LOCKED,
                "The write was made in the middle of another one of the same thread and store, "
                "by a finalizer or a signal handler. Nothing of it was done: make it later.",
            )
        return operations.connection.call(self._write, operations, function, size)

    def _write(
        self, operations: EmbeddedOperations, function: Callable[[EmbeddedOperations], T], size: int
    ) -> T:
        try:
            try:
                if not self._plain and not self._synced and self._turn.acquire(False, -1):
                    result = function(operations)
                    self._turn.release()
                    if self._plain or self._synced:
                        self._wake()
                else:
                    result = self._join(operations, function, size)
            except BaseException as error:
                self._clean_up(operations.connection, error)
                raise
        except BaseException as error:  # perhaps another one, raised in the clean-up
            self._clean_up(operations.connection, error)
            raise
        return result

    def _clean_up(self, connection: Connection, error: BaseException) -> None:
        if self._turn.is_held():
            connection.abandon(error)
            if self._committed:
                for each in self._making:
                    each.finish()
            if self._at is not None:
                self._at.own = True
            for each in reversed(self._group):
                if not each.done:
                    each.started = False
                    self._waiting(each.node).appendleft(each)
            self._forget_group()
            self._turn.release()
        self._wake()

    def _forget_group(self) -> None:
        self._group.clear()
        self._making = ()
        self._committed.clear()
        self._at = None

    def _waiting(self, node: EmbeddedNode) -> deque[QueuedWrite]:
        return self._synced if node.durable else self._plain

    def _wake(self) -> None:
        """Wake the first waiting threads, to take the turn."""
        for waiting in (self._plain, self._synced):
            with suppress(IndexError):
                waiting[0].ring()

    def _join(
        self, operations: EmbeddedOperations, function: Callable[[EmbeddedOperations], T], size: int
    ) -> T:
        """Wait until a write is made, by this thread or by another one."""
        write = QueuedWrite(function, operations.node, size)
        deadline = time.monotonic() + operations.connection.patience()
        try:
            self._waiting(operations.node).append(write)
            while not write.done:
                if self._turn.acquire(False, -1):
                    if not write.done:
                        self._lead(operations, write, deadline)
                    self._turn.release()
                    self._wake()
                elif write.withdrawn or (left := deadline - time.monotonic()) > _LOOK_AGAIN:
                    write.bell.acquire(True, _LOOK_AGAIN)
                elif left > 0:
                    write.bell.acquire(True, left)
                else:
                    write.withdrawn = True
                    if not write.started:
                        raise _kept_waiting()
        except BaseException:
            write.withdrawn = True
            raise
        if write.error is not None:
            try:
                raise write.error
            finally:
                del write  # breaks a reference cycle: write, its error, this frame
        value: T = write.value
        return value

    def _lead(self, operations: EmbeddedOperations, own: QueuedWrite, deadline: float) -> None:
        """Make this write and other waiting ones, as one transaction if possible."""
        connection = operations.connection
        connection.give_up_at = deadline
        self._group.append(own)
        own.started = True
        if own.own:
            own.value = own.function(operations)
            own.done = True
        else:
            connection.change(WRITING)
            self._take(self._waiting(operations.node), own)
            failure = self._make(operations, tuple(self._group))
            if failure is not None and len(self._group) == 1:
                own.error = failure
                own.done = True
            elif failure is not None:
                self._make_one_by_one(operations)
        self._forget_group()
        operations.sweep_if_due()

    def _take(self, waiting: deque[QueuedWrite], own: QueuedWrite) -> None:
        size = own.size
        while waiting and size < _MOST_BYTES and len(self._group) < _MOST_WRITES:
            each = waiting[0]
            # A write that was put back may be in the queue twice.
            if not (each.started or each.done or each.own):
                if size + each.size > _MOST_BYTES:
                    break
                self._group.append(each)
                each.started = True
                size += each.size
            waiting.popleft()

    def _make_one_by_one(self, operations: EmbeddedOperations) -> None:
        for each in self._group:
            failure = self._make(operations, (each,))
            if failure is not None:
                each.error = failure
                each.finish()

    def _make(
        self, operations: EmbeddedOperations, writes: Sequence[QueuedWrite]
    ) -> QuasardbException | None:
        """Make writes as one transaction; return the error if it failed as a whole."""
        connection = operations.connection
        self._making = writes
        try:
            if not connection.in_transaction:
                connection.change(WRITING)
            for each in writes:
                self._at = each
                if not each.withdrawn:
                    self._run(operations, each)
                else:
                    each.error = _kept_waiting()
            self._at = None
            connection.commit(self._committed)
        except QuasardbException as error:
            connection.roll_back()
            return error.with_traceback(None)
        for each in writes:
            each.finish()
        self._committed.clear()
        return None

    def _run(self, operations: EmbeddedOperations, write: QueuedWrite) -> None:
        """Make a write, and record its result or error; raises an error of the whole group."""
        write.error = None
        try:
            write.value = write.function(operations.for_node(write.node))
        except QuasardbException as error:
            if not operations.connection.in_transaction:
                raise
            # Without the traceback, which would keep the local variables of this thread.
            write.error = error.with_traceback(None)


def _kept_waiting() -> QuasardbException:
    return error_for(ErrorCode.RESOURCE_LOCKED, "Other threads kept the store for too long.")


_queues: "weakref.WeakValueDictionary[tuple[int, int], WriteQueue]" = weakref.WeakValueDictionary()
_registering = CallLock()


def queue_for(path: str) -> WriteQueue:
    """Return the queue of this process for the file at a path."""
    status = os.stat(path)
    return _registering.run(_queue_for, (status.st_dev, status.st_ino))


def _queue_for(identity: tuple[int, int]) -> WriteQueue:
    queue = _queues.get(identity)
    if queue is None:
        queue = _queues[identity] = WriteQueue()
    return queue


def _forget_queues() -> None:
    # The waiting threads, and the one that has the turn, exist only in the parent process.
    global _registering  # noqa: PLW0603 - a process has just one
    _registering = CallLock()
    for queue in list(_queues.values()):
        queue.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_queues)
