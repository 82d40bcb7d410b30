# Generated from src/storekit/qdb/_async/calls.py by tools/generate_sync.py; do not edit.

"""Calls to a store: sessions in threads, deadlines, retries, errors that name the call."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from operator import methodcaller
from typing import Self, TypeVar, TypeVarTuple
from weakref import WeakSet

from storekit.core._sync.retry import Repeat, Retrier
from storekit.core.clocks import steady
from storekit.core.seam._sync import monotonic, pause_by
from storekit.core.threads._sync import Executor
from storekit.core.threads.call import CallStatistics, CallTimeout
from storekit.errors import ClientClosed, StoreKitError
from storekit.observers import (
    ClientState,
    ConnectionState,
    Observer,
    Watch,
    attach_client,
)
from storekit.options import PoolLimits, RetryPolicy
from storekit.qdb.cursor import Cursor
from storekit.qdb.engine import Engine, Session
from storekit.qdb.errors import (
    NEVER_REACHED,
    TRANSIENT,
    ErrorCode,
    QuasardbException,
    StoreClosed,
    StoreTimeout,
    breaks_session,
)
from storekit.qdb.joined import BRIEF, JOINABLE, JOINED, LARGEST_JOINED, ONE_AT_A_TIME
from storekit.qdb.methods import bound, operation_of

__all__ = ["Caller"]

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_UNWATCHED: AbstractContextManager[None] = nullcontext()


class Caller:
    """Makes the calls of one client, including those of its documents and iterators."""

    def __init__(
        self,
        engine: Engine,
        address: str,
        *,
        timeout: float | None,
        connect_timeout: float | None,
        limits: PoolLimits,
        retry: RetryPolicy,
        observers: tuple[Observer, ...],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Make the calls of a client through an engine. `address` names the store in errors."""
        self.address = address
        self.timeout = timeout
        self.observers = observers
        self.engine = engine
        self._name = f"qdb ({address})"
        self._connect_timeout = connect_timeout
        self._most = limits.max_size
        self._retry = retry
        self._retrier = Retrier(retry, pause=pause_by(clock), budget_clock=steady(clock))
        self._cursors: WeakSet[Cursor] = WeakSet()
        self._executor: Executor[Session] = Executor(
            partial(engine.connect, connect_timeout),
            _close_session,
            limits=limits,
            connect_timeout=connect_timeout,
            is_broken=breaks_session,
            batching=ONE_AT_A_TIME if getattr(engine, "serial", False) else JOINED,
            is_free=_is_free if getattr(engine, "immediate", False) else None,
            name=self._name,
        )
        self._joins = self._executor.joins
        attach_client(observers, self)
        with self._explained("connect"):
            self._executor.open()

    def fill(self) -> None:
        """Open the sessions that the limits keep open."""
        with self._explained("connect"):
            self._executor.fill()

    def with_timeout(self, timeout: float | None) -> Self:
        """Return a copy that shares all sessions and has another timeout."""
        view = copy.copy(self)
        view.timeout = timeout
        view._executor = self._executor.limited(_limit_waiting)  # noqa: SLF001 - a copy of this object
        return view

    def unbatched(self) -> Self:
        """Return a copy that shares all sessions and does not join calls."""
        view = copy.copy(self)
        view._joins = False  # noqa: SLF001 - a copy of this object
        return view

    def statistics(self) -> CallStatistics:
        """Return how many sessions and calls there are at this moment."""
        return self._executor.statistics()

    def state(self) -> ClientState:
        """Return the state of the sessions, for observers."""
        now = self._executor.statistics()
        used = min(now.sessions, now.calls - now.queued)
        sessions = ConnectionState(self.address, used, now.sessions - used, now.queued, self._most)
        return ClientState("qdb", (sessions,))

    def describe(self) -> str:
        """Return the address of the store and the current numbers of sessions and calls."""
        now = self._executor.statistics()
        if self._executor.closed:
            return f"{self.address}, closed"
        return f"{self.address}, sessions: {now.sessions}, calls: {now.calls}"

    def connect(self) -> None:
        """Open a session, without retries, if none is open."""
        with self.watch("connect"), self._explained("connect"):
            self._executor.call(_nothing, until=self._until())

    def close(self) -> None:
        """Close all sessions, those of cursors as well."""
        for cursor in list(self._cursors):
            self._executor.run_later(cursor.close)
        self._executor.close()

    # Calls

    def call(
        self,
        operation: str,
        alias: str | None,
        function: Callable[[Session], T],
        *,
        reads: bool = False,
        node: str | None = None,
        watch: Watch | None = None,
    ) -> T:
        """Return the result of `function` with a session, retried where that is safe.

        With `reads`, it is retried after all transient errors. Observers are notified, unless
        the call is part of an operation that `watch` reports.
        """
        if self.observers and watch is None:
            with self.watch(operation, alias, node) as watch:
                return self.call(operation, alias, function, reads=reads, node=node, watch=watch)
        until = None if self.timeout is None else monotonic() + self.timeout
        try:
            return self._executor.call(function, until=until)
        except (StoreKitError, CallTimeout) as error:  # raised again there, unless transient
            again = partial(self._executor.call, function, until=until)
            return self._repeat(again, error, until, reads, watch, operation, alias, node)

    def call_entry(
        self,
        method: Callable[[Session, str, *Arguments], T],
        alias: str,
        *arguments: *Arguments,
        reads: bool = False,
        watch: Watch | None = None,
    ) -> T:
        """Return the result of a session method for an entry.

        Calls that wait for a session at the same time are joined into one batch where that is
        possible; each has its own outcome. See `call` for the rest.
        """
        if self.observers and watch is None:
            with self.watch(operation_of(method), alias) as watch:
                return self.call_entry(method, alias, *arguments, reads=reads, watch=watch)
        until = None if self.timeout is None else monotonic() + self.timeout
        try:
            # `_start`, inlined: with it, a sync call took a third longer.
            name = method.__name__
            if self._joins and name in JOINABLE:
                item, size = JOINABLE[name](alias, *arguments)
                if size <= LARGEST_JOINED:
                    joined: T = self._executor.call_item(item, size, until)
                    return joined
            call: Callable[[Session], T] = methodcaller(name, alias, *arguments)
            return self._executor.call(call, until=until, brief=name in BRIEF)
        except (StoreKitError, CallTimeout) as error:  # raised again there, unless transient
            again = partial(self._start, method, (alias, *arguments), until)
            operation = operation_of(method)
            return self._repeat(again, error, until, reads, watch, operation, alias)

    def _start(
        self,
        method: Callable[[Session, str, *Arguments], T],
        arguments: tuple[str, *Arguments],
        until: float | None,
    ) -> T:
        name = method.__name__
        if self._joins and name in JOINABLE:
            item, size = JOINABLE[name](*arguments)
            if size <= LARGEST_JOINED:
                joined: T = self._executor.call_item(item, size, until)
                return joined
        brief = name in BRIEF
        return self._executor.call(bound(method, *arguments), until=until, brief=brief)

    def _repeat(
        self,
        again: Callable[[], T],
        failed: Exception,
        until: float | None,
        reads: bool,
        watch: Watch | None,
        operation: str,
        alias: str | None,
        node: str | None = None,
    ) -> T:
        """Retry a failed call where that is safe; otherwise raise its error, explained."""
        repeatable = TRANSIENT if reads or self._retry.retry_writes else NEVER_REACHED

        def judge(error: Exception) -> Repeat | None:
            known = isinstance(error, QuasardbException) and error.error_code in repeatable
            return Repeat() if known else None

        on_repeat = None if watch is None else watch.retry
        try:
            attempts = self._retrier.attempts(
                judge, until=until, on_repeat=on_repeat, failed=failed
            )
            for attempt in attempts:
                with attempt:
                    return again()
        except Exception as error:  # noqa: BLE001 - raised again, explained
            raise self.explain(error, operation, alias, node) from error.__cause__
        *earlier, last = attempts.errors
        cause = ExceptionGroup("earlier attempts failed", earlier) if earlier else last.__cause__
        raise self.explain(last, operation, alias, node) from cause

    def get_many(
        self, operation: str, aliases: Sequence[str]
    ) -> list[bytes | memoryview | Exception]:
        """Return the contents of many entries by one call, or the error of each."""

        def get(session: Session) -> Sequence[bytes | memoryview | Exception]:
            found: Sequence[bytes | memoryview | Exception] = JOINED.together(session, aliases)
            return found

        found = self.call(operation, None, get, reads=True)
        return [
            self.explain(each, operation, alias) if isinstance(each, Exception) else each
            for alias, each in zip(aliases, found, strict=True)
        ]

    # Cursors

    def open_cursor(self) -> Cursor:
        """Return a cursor with its own session, which is closed with the client at the latest."""
        limits = [each for each in (self.timeout, self._connect_timeout) if each is not None]
        with self._explained("iterate"):
            session = self._executor.call_bare(
                self.engine.connect,
                self._connect_timeout,
                until=monotonic() + min(limits) if limits else None,
                discard=_close_session,
            )
        cursor = Cursor(session)
        self._cursors.add(cursor)
        return cursor

    def fetch(
        self, cursor: Cursor, number: int, count: int
    ) -> tuple[list[tuple[str, bytes]], bool]:
        """Return a chunk of entries, and whether it is the last; see `Cursor.fetch`."""
        with self._explained("iterate"):
            return self._executor.call_bare(cursor.fetch, number, count, until=self._until())

    def close_later(self, cursor: Cursor) -> None:
        """Close a cursor in the background."""
        self._cursors.discard(cursor)
        self._executor.run_later(cursor.close)

    # Observers and errors

    def watch(
        self, operation: str, alias: str | None = None, node: str | None = None
    ) -> AbstractContextManager[Watch | None]:
        """Return a context manager that reports an operation to the observers, if any."""
        if not self.observers:
            return _UNWATCHED
        return Watch(self.observers, "qdb", operation, node or self.address, alias)

    def explain(
        self, error: Exception, operation: str, alias: str | None = None, node: str | None = None
    ) -> Exception:
        """Return the error with its operation, alias and node; it never has the content."""
        if isinstance(error, CallTimeout):
            detail = (
                "The call had begun and may have been done."
                if error.started
                else "The call had not begun and will not be made."
            )
            error = StoreTimeout(ErrorCode.TIMEOUT, detail)
        elif isinstance(error, ClientClosed):
            detail = str(error).removeprefix(f"{self._name}: ")
            error = StoreClosed(ErrorCode.INVALID_HANDLE, detail)
        if isinstance(error, QuasardbException):
            error.operation = operation
            error.alias = alias if alias is not None else error.alias
            error.node = node if node is not None else self.address
        return error

    @contextmanager
    def _explained(self, operation: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again, explained
            raise self.explain(error, operation) from error.__cause__

    def _until(self) -> float | None:
        return None if self.timeout is None else monotonic() + self.timeout


def _nothing(session: Session) -> None:
    """Do nothing: the call has opened the session."""


def _is_free(session: Session) -> bool:
    return session.is_free()


def _limit_waiting(session: Session, until: float | None) -> None:
    """Limit how long a session waits to the deadline of its caller, if the engine can do that."""
    wait_until = getattr(session, "wait_until", None)
    if wait_until is not None:
        wait_until(until)


def _close_session(session: Session) -> None:
    session.close()
