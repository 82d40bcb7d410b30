# Generated from src/storekit/qdb/_async/base.py by tools/generate_sync.py; do not edit.

"""What every client is made of: an engine, workers with its sessions, deadlines and retries."""

import copy
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self, TypeVar
from weakref import WeakSet

from storekit.codecs.registry import CodecRegistry
from storekit.core._sync.retry import GaveUp, Repeat, Retrier
from storekit.core.arguments import check_callable, check_type
from storekit.core.seam._sync import monotonic
from storekit.core.threads._sync import DEFAULT_LIMITS, Workers
from storekit.core.threads.calls import CallTimeout, WorkerStatistics
from storekit.observers import Observer, Watch, check_observers
from storekit.options import PoolLimits, RetryPolicy
from storekit.qdb.arguments import GET
from storekit.qdb.engine import LONGEST_TIMEOUT, Engine, Session, SessionOptions
from storekit.qdb.errors import ErrorCode, QuasardbException, StoreTimeout
from storekit.qdb.location import Place, open_engine
from storekit.qdb.repeatable import NEVER_REACHED, PASSING, breaks_session
from storekit.qdb.scans import Scan

__all__ = ["BaseClient"]

T = TypeVar("T")

_DEFAULT_RETRY = RetryPolicy(attempts=3)


class BaseClient:
    """Makes calls to a store, with deadlines, retries and errors that say what was asked."""

    def __init__(
        self,
        remote_node: Place,
        *,
        timeout: float | None = 60.0,
        connect_timeout: float | None = 10.0,
        limits: PoolLimits | None = None,
        retry: RetryPolicy | None = None,
        options: SessionOptions | None = None,
        library: str | os.PathLike[str] | None = None,
        observers: Iterable[Observer] = (),
        registry: CodecRegistry | None = None,
        engine: Engine | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a client.

        Args:
            remote_node: A `RemoteNode`, several of them, `qdb://host:port[,host:port...]`,
                or an embedded store: `embedded:` (in memory, of this client alone),
                `embedded:NAME?mode=memory` (of this process), `embedded:PATH`.
            timeout: Seconds for a whole operation, with all attempts and pauses; None
                for no limit. It is also the timeout that the C library has for each of its
                own steps, in whole seconds, at least 1, unless `options` say otherwise.
                A client that calls in the thread of its caller can't leave a call that
                has begun: there, the library's timeout ends it.
            connect_timeout: Seconds for opening a session, as far as a caller waits for
                just that; None for no limit but the other timeouts.
            limits: How many sessions, for how long, and how many callers may wait.
            retry: When and how operations are repeated; three attempts by default.
            options: Options of the sessions: encryption, compression, credentials...
            library: The file of the C library to reach a cluster with. By default what
                `STOREKIT_QDB_LIBRARY` names, that of the package `quasardb`, or the system's.
            observers: Who is told of calls; see `storekit.observers`.
            registry: The codecs that may be named; those of storekit by default.
            engine: What to use instead of what `remote_node` says.
            clock: The time of day in seconds since the epoch, for times of expiry.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: A value is out of range or an address is malformed.
            StoreKitError: There is no C library to reach a cluster with.

        """
        for name, seconds in (("timeout", timeout), ("connect_timeout", connect_timeout)):
            _check_seconds(name, seconds)
        check_type("limits", limits, PoolLimits)
        check_type("retry", retry, RetryPolicy)
        check_type("options", options, SessionOptions)
        check_type("library", library, (str, os.PathLike))
        check_callable("clock", clock)
        options = options if options is not None else SessionOptions()
        if options.timeout is None:
            longest = LONGEST_TIMEOUT if timeout is None else min(timeout, LONGEST_TIMEOUT)
            options = replace(options, timeout=longest)
        if engine is not None:
            check_callable("engine", engine, "connect")
        if engine is None:
            engine, self._place = open_engine(remote_node, options, library)
        else:
            self._place = str(remote_node)
        self._engine = engine
        self._observers = check_observers(observers)
        self._registry = registry if registry is not None else CodecRegistry.default()
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._retry = retry if retry is not None else _DEFAULT_RETRY
        self._retrier = Retrier(self._retry)
        self._scans: WeakSet[Scan] = WeakSet()
        self._workers: Workers[Session] = Workers(
            partial(engine.connect, connect_timeout),
            _close_session,
            limits=limits if limits is not None else DEFAULT_LIMITS,
            connect_timeout=connect_timeout,
            is_broken=breaks_session,
            name=f"qdb {self._place}",
        )
        try:
            self._workers.open()
        except Exception as error:  # noqa: BLE001 - raised again, explained
            raise self._explain(error, "connect", None) from error.__cause__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._place}>"

    def connect(self) -> None:
        """Open a session now, rather than with the first operation, and without retries.

        Raises:
            ConnectionFailed: The cluster can't be reached. `StoreTimeout`: not in time.

        """
        with self._watch("connect"):
            try:
                self._workers.call(_nothing, until=self._until())
            except Exception as error:  # noqa: BLE001 - raised again, explained
                raise self._explain(error, "connect", None) from error.__cause__

    def close(self) -> None:
        """Close the client and its sessions; calls that have not begun get `ClientClosed`.

        Calls that are running are waited for, at most 5 seconds. Closing twice does nothing.
        """
        for scan in list(self._scans):
            self._workers.run_later(scan.close)
        self._workers.close()

    def with_timeout(self, timeout: float | None) -> Self:
        """Return this client with another `timeout` for its operations, in seconds.

        Both share all sessions; closing one closes the other.
        """
        _check_seconds("timeout", timeout)
        view = copy.copy(self)
        view._timeout = timeout  # noqa: SLF001 - another view of this very object
        return view

    def statistics(self) -> WorkerStatistics:
        """Return how many sessions and calls there are at this moment."""
        return self._workers.statistics()

    def _until(self) -> float | None:
        return None if self._timeout is None else monotonic() + self._timeout

    def _connect_until(self) -> float | None:
        """Return when to give up opening a session for one caller alone."""
        limits = [each for each in (self._timeout, self._connect_timeout) if each is not None]
        return monotonic() + min(limits) if limits else None

    def _watch(self, operation: str) -> Watch:
        """Return the watch of a call that is made only once."""
        return Watch(self._observers, "qdb", operation, self._place, None)

    def _call(
        self,
        operation: str,
        alias: str | None,
        function: Callable[[Session], T],
        *,
        reads: bool = False,
        node: str | None = None,
    ) -> T:
        """Return what `function` makes of a session. What only reads is repeated more freely."""
        until = None if self._timeout is None else monotonic() + self._timeout
        if self._observers:
            call = partial(self._workers.call, function, until=until)
            return self._watched(call, operation, alias, until, reads, node)
        try:
            return self._workers.call(function, until=until)
        except Exception as error:  # noqa: BLE001 - raised again there
            again = partial(self._workers.call, function, until=until)
            return self._recover(error, again, operation, alias, until, reads, node)

    def _get(self, operation: str, text: str) -> bytes | memoryview:
        """Return stored content. Gets that wait for a session together travel as one batch."""
        until = None if self._timeout is None else monotonic() + self._timeout
        if self._observers:
            return self._watched(
                partial(self._workers.call_joint, GET, text, until=until),
                operation,
                text,
                until,
                reads=True,
            )
        try:
            return self._workers.call_joint(GET, text, until=until)
        except Exception as error:  # noqa: BLE001 - raised again there

            def again() -> bytes | memoryview:
                return self._workers.call_joint(GET, text, until=until)

            return self._recover(error, again, operation, text, until, reads=True)

    def _watched(
        self,
        call: Callable[[], T],
        operation: str,
        alias: str | None,
        until: float | None,
        reads: bool,
        node: str | None = None,
    ) -> T:
        """Make a call that observers are told of."""
        with Watch(self._observers, "qdb", operation, node or self._place, alias) as watch:
            try:
                return call()
            except Exception as error:  # noqa: BLE001 - raised again there
                return self._recover(error, call, operation, alias, until, reads, node, watch)

    def _recover(
        self,
        error: Exception,
        again: Callable[[], T],
        operation: str,
        alias: str | None,
        until: float | None,
        reads: bool,
        node: str | None = None,
        watch: Watch | None = None,
    ) -> T:
        """Repeat what failed with `error`, where that is safe; else raise it, explained."""
        first = [error]

        def attempt() -> T:
            if first:
                raise first.pop()
            return again()

        repeatable = PASSING if reads or self._retry.retry_writes else NEVER_REACHED

        def judge(failure: Exception) -> Repeat | None:
            known = isinstance(failure, QuasardbException) and failure.error_code in repeatable
            return Repeat() if known else None

        try:
            return self._retrier.call(
                attempt, judge, until=until, on_repeat=None if watch is None else watch.retry
            )
        except GaveUp as gave_up:
            *earlier, last = gave_up.errors
            cause = ExceptionGroup("earlier attempts failed", earlier) if earlier else None
            raise self._explain(last, operation, alias, node) from cause
        except Exception as last:  # noqa: BLE001 - raised again, explained
            raise self._explain(last, operation, alias, node) from last.__cause__

    def _explain(
        self, error: Exception, operation: str, alias: str | None, node: str | None = None
    ) -> Exception:
        """Return the error with what was asked, of whom, and no content."""
        if isinstance(error, CallTimeout):
            detail = (
                "The call had begun and may be done."
                if error.started
                else "The call had not begun, and will not."
            )
            error = StoreTimeout(ErrorCode.TIMEOUT, detail)
        if isinstance(error, QuasardbException):
            error.operation = operation
            error.alias = alias if alias is not None else error.alias
            error.node = node if node is not None else self._place
        return error


def _nothing(session: Session) -> None:
    """Do nothing with a session: it is open by now."""


def _close_session(session: Session) -> None:
    session.close()


def _check_seconds(name: str, seconds: object) -> None:
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds or None, not {seconds!r}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name} must be more than 0 seconds and finite, not {seconds!r}")
