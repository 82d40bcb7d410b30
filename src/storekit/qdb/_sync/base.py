# Generated from src/storekit/qdb/_async/base.py by tools/generate_sync.py; do not edit.

"""The base of all clients: making, opening and closing them, and calling sessions."""

# ruff: noqa: ANN401 - values may be anything

import copy
import difflib
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Any, Never, Self, TypeVar, TypeVarTuple

from storekit.codecs.base import Codec
from storekit.codecs.registry import CodecRegistry
from storekit.core._sync.single_flight import SingleFlight
from storekit.core.arguments import check_callable, check_type, named_without_class
from storekit.core.threads._sync import DEFAULT_LIMITS
from storekit.core.threads.call import CallStatistics
from storekit.observers import Observer, check_observers
from storekit.options import PoolLimits, RetryPolicy
from storekit.qdb._sync.calls import Caller
from storekit.qdb._sync.conversion import Conversion
from storekit.qdb._typing import ClientOptions
from storekit.qdb.codec import STORED
from storekit.qdb.engine import LONGEST_TIMEOUT, NEVER, Engine, Session, SessionOptions
from storekit.qdb.location import Address, open_engine
from storekit.qdb.methods import Method, bound, operation_of
from storekit.qdb.times import Expiry, to_milliseconds

__all__ = ["BaseClient"]

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_DEFAULT_RETRY = RetryPolicy(attempts=3)


@named_without_class
class BaseClient:
    """A client without its operations."""

    def __init__(
        self,
        remote_node: Address,
        *arguments: object,  # noqa: ARG002 - documented, but not needed
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
        **unknown: Never,
    ) -> None:
        """Make a client.

        Args:
            remote_node: A `RemoteNode`, several of them, `qdb://host:port[,host:port...]`,
                or an embedded store: `embedded:` (in memory, of this client alone),
                `embedded:NAME?mode=memory` (of this process), `embedded:PATH`.
            arguments: Further positional arguments are ignored, as in the 1.x API.
            timeout: Seconds for a whole operation, with all attempts and pauses; None
                for no limit. The C library also gets it as the timeout of each network
                operation, in whole seconds, at least 1, unless `options` has another one.
                A client that calls in the thread of its caller can't abandon a call that
                has begun: there, only the timeout of the library ends it.
            connect_timeout: Seconds that a caller waits for a session to open; None for
                no limit except the other timeouts.
            limits: How many sessions, for how long, and how many callers may wait.
            retry: When and how operations are retried; three attempts by default.
            options: Options of the sessions: encryption, compression, credentials...
            library: The file of the C library, for a cluster. By default the one that
                `STOREKIT_QDB_LIBRARY` names, that of the package `quasardb`, or the system's.
            observers: Observers of the calls; see `storekit.observers`.
            registry: Codecs by their names; those of storekit by default.
            engine: An engine to use instead of that of `remote_node`.
            unknown: Any other keyword argument raises `TypeError`.
            clock: Returns the time in seconds since the epoch, for times of expiry. Pauses
                between attempts follow a `storekit.testing.Clock`, too.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: A value is out of range or an address is malformed.
            StoreKitError: The C library, which a cluster needs, is missing or unusable.

        """
        for name in unknown:
            raise TypeError(_unknown_option(type(self).__name__, name))
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
        address = str(remote_node)
        if engine is None:
            engine, address = open_engine(remote_node, options, library)
        else:
            check_callable("engine", engine, "connect")
        registry = registry if registry is not None else CodecRegistry.default()
        self._conversion = Conversion(STORED, registry)
        self._clock = clock
        self._loads: SingleFlight[str, Any] = SingleFlight()
        self._calls = Caller(
            engine,
            address,
            timeout=timeout,
            connect_timeout=connect_timeout,
            limits=limits if limits is not None else DEFAULT_LIMITS,
            retry=retry if retry is not None else _DEFAULT_RETRY,
            observers=check_observers(observers),
            clock=clock,
        )

    def __enter__(self) -> Self:
        self._calls.fill()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._calls.describe()}>"

    def connect(self) -> None:
        """Open a session now, rather than with the first operation, and without retries.

        Raises:
            ConnectionFailed: The cluster can't be reached.
            StoreTimeout: It can't be reached in time.

        """
        self._calls.connect()

    def close(self) -> None:
        """Close the client and its sessions; calls that have not begun raise `ClientClosed`.

        Running calls are waited for, at most 5 seconds. Closing twice does nothing.
        """
        self._calls.close()

    def with_timeout(self, timeout: float | None) -> Self:
        """Return a view of this client with another `timeout` for operations, in seconds.

        None is no limit. Both share all sessions; closing one closes the other.
        """
        _check_seconds("timeout", timeout)
        view = copy.copy(self)
        view._calls = self._calls.with_timeout(timeout)  # noqa: SLF001 - a copy of this object
        return view

    def unbatched(self) -> Self:
        """Return a view of this client whose calls are never joined.

        Otherwise, calls for single entries that wait for a session at the same time are sent
        as one batch. Both share all sessions; closing one closes the other.
        """
        view = copy.copy(self)
        view._calls = self._calls.unbatched()  # noqa: SLF001 - a copy of this object
        return view

    def statistics(self) -> CallStatistics:
        """Return how many sessions and calls there are at this moment."""
        return self._calls.statistics()

    # How operations call a method of the session

    def _expiry(self, method: Method, expiry_time: Expiry) -> int:
        if expiry_time is None:
            return NEVER
        return to_milliseconds(expiry_time, self._clock(), operation_of(method))

    def _read(
        self,
        method: Callable[[Session, str, *Arguments], T],
        alias: object,
        *arguments: *Arguments,
    ) -> T:
        """Call a method that reads an entry, and may be retried."""
        text = self._conversion.alias(method, alias)
        return self._calls.call_entry(method, text, *arguments, reads=True)

    def _find(
        self, method: Callable[[Session, str, *Arguments], T], part: str, *arguments: *Arguments
    ) -> T:
        """Call a method that finds entries by a part of their aliases."""
        text = self._conversion.part(method, part)
        call = bound(method, text, *arguments)
        return self._calls.call(operation_of(method), text, call, reads=True)

    def _scan(
        self, method: Callable[[Session, T, int], list[str]], pattern: T, max_count: int
    ) -> list[Any]:
        """Call a method that finds entries by their content."""
        call = bound(method, pattern, max_count)
        found = self._calls.call(operation_of(method), None, call, reads=True)
        return self._conversion.all_found(found)

    def _write(
        self,
        method: Callable[[Session, str, *Arguments], T],
        alias: object,
        *arguments: *Arguments,
    ) -> T:
        """Call a method that changes an entry."""
        # Not a function: another call would take a fiftieth of the time of a call.
        text = self._conversion.alias(method, alias, writes=True)
        return self._calls.call_entry(method, text, *arguments)

    def _store(
        self,
        method: Callable[[Session, str, bytes, int], object],
        alias: object,
        value: object,
        expiry_time: Expiry,
        codec: Codec[Any] | str | None,
    ) -> object:
        """Call a method that stores a value."""
        conversion = self._conversion
        chosen = conversion.codec if codec is None else conversion.chosen(codec)
        text = conversion.alias(method, alias, writes=True)
        expiry = NEVER if expiry_time is None else self._expiry(method, expiry_time)
        if chosen is STORED and type(value) is bytes:
            return self._calls.call_entry(method, text, value, expiry)
        return self._store_encoded(method, text, chosen, value, expiry)

    def _store_encoded(
        self,
        method: Callable[[Session, str, bytes, int], object],
        text: str,
        codec: Codec[Any],
        value: object,
        expiry: int,
    ) -> object:
        content = self._conversion.encode(codec, value)
        return self._calls.call_entry(method, text, content, expiry)

    def _exchange(
        self,
        method: Callable[[Session, str, *Arguments], bytes | memoryview | None],
        alias: object,
        codec: Codec[Any],
        expected: bytes | None,
        *arguments: *Arguments,
    ) -> Any:
        """Call a method that changes an entry, and return the previous value.

        If the session returns None, the previous content was `expected`. Observers see a value
        that can't be decoded as a failure.
        """
        calls, conversion = self._calls, self._conversion
        text = conversion.alias(method, alias, writes=True)
        if calls.observers:
            with calls.watch(operation_of(method), text) as watch:
                content = calls.call_entry(method, text, *arguments, watch=watch)
                return conversion.decode(codec, text, _given(content, expected))
        content = _given(calls.call_entry(method, text, *arguments), expected)
        if codec is STORED and type(content) is bytes:
            return content
        return conversion.decode(codec, text, content)


def _given(content: bytes | memoryview | None, expected: bytes | None) -> bytes | memoryview:
    return (expected or b"") if content is None else content


def _unknown_option(kind: str, name: str) -> str:
    meant = difflib.get_close_matches(name, ["codec", "allow", *ClientOptions.__annotations__], 1)
    hint = f"; did you mean {meant[0]!r}?" if meant else ""
    return f"{kind} got an unexpected keyword argument {name!r}{hint}"


def _check_seconds(name: str, seconds: object) -> None:
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds or None, not {seconds!r}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name} must be more than 0 seconds and finite, not {seconds!r}")
