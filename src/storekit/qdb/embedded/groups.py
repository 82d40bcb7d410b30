"""Writes to one file that wait together become one transaction.

All threads of a process that write to one file, of whatever clients, have one queue. A thread that
finds nobody writing writes for itself, as if there were no queue. One that finds somebody writing
puts its write into the queue and waits. Whoever has the turn next makes all writes that wait, on
its own connection, as one transaction, and tells the others what became of theirs. So one COMMIT,
and one wait for the disk, serves many; and between two groups, other processes have their chance.

What is kept at any time, whatever interrupts the thread that writes for others:

- Nobody is told that a write is done before the COMMIT of it has succeeded, and everybody is told
  once it has. Whether it has is noted in the very call that makes it.
- A write of a group that was not committed goes back to the head of the queue, unless whoever
  wanted it has left.
- A write that fails leaves the others done: each is one statement, which SQLite makes as a whole
  or not at all, or a savepoint. Where SQLite rolls back all, as it may when the disk is full, or
  where the COMMIT fails, each is made in a transaction of its own.
- No thread owns the turn: one that waits looks now and then whether the turn is free, so that a
  lost wake-up costs time and nothing else.
- A write that waits for longer than its timeout is withdrawn, and then certainly not made; unless
  it is being made, which is waited for.

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

_MOST_BYTES = 1 << 20  # of content in a group: a few large ones must not hold up small ones
_MOST_WRITES = 256
_LOOK_AGAIN = 0.05  # s; see above


class QueuedWrite:
    """One write that waits. Its fields say how far it has come, each set by one step."""

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
        self.started: bool = False  # by whoever has the turn, who tells what becomes of it
        self.done: bool = False
        self.withdrawn: bool = False  # nobody wants it any more, if it is not started
        # To be made by its own thread: somebody else was interrupted at it.
        self.own: bool = False
        self.bell: threading.Lock = threading.Lock()
        self.bell.acquire()

    def finish(self) -> None:
        """Tell the thread that waits."""
        self.done = True
        self.ring()

    def ring(self) -> None:
        """Have the thread that waits look what there is."""
        with suppress(RuntimeError):  # it has been told before
            self.bell.release()


class WriteQueue:
    """The writes of one process to one file."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Have nobody write and nobody wait, as in a process that was forked."""
        self._turn = CallLock()
        # Those that are to be synced apart, since a group is one or the other.
        self._plain: deque[QueuedWrite] = deque()
        self._synced: deque[QueuedWrite] = deque()
        self._group: list[QueuedWrite] = []  # what whoever has the turn has taken
        self._making: Sequence[QueuedWrite] = ()  # what is in the transaction of this moment
        self._at: QueuedWrite | None = None
        self._committed: list[object] = []  # not empty once that transaction is

    def write(
        self, operations: EmbeddedOperations, function: Callable[[EmbeddedOperations], T], size: int
    ) -> T:
        """Return what `function` gives, called with these operations or those of another thread.

        Raises what it raises; `RESOURCE_LOCKED` in the middle of another write of this thread,
        or where others write for longer than the timeout: nothing is done then.
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
        """Have whoever waits first look for the turn."""
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
                del write  # which has the error, which has this frame: a circle
        value: T = write.value
        return value

    def _lead(self, operations: EmbeddedOperations, own: QueuedWrite, deadline: float) -> None:
        """Make this write and those that wait with it, as one transaction if that goes."""
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
            # One that was put back may be in the queue twice.
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
        """Make writes as one transaction; return why none of them is made, if that is so."""
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
        """Note what a write gives or what it fails with; raises what fails all of the group."""
        write.error = None
        try:
            write.value = write.function(operations.for_node(write.node))
        except QuasardbException as error:
            if not operations.connection.in_transaction:
                raise
            # Its traceback would keep what this thread has at hand.
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
    # The threads that wait in them, and who has the turn, are the parent's.
    global _registering  # noqa: PLW0603 - a process has just one
    _registering = CallLock()
    for queue in list(_queues.values()):
        queue.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_queues)
