"""The sync side of the seam: threads, locks and plain calls."""

import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, ParamSpec, TypeVar

from storekit.core.arguments import check_callable
from storekit.core.clocks import MovedClock
from storekit.core.shortage import shortages_raised

__all__ = [
    "HAS_EVENT_LOOP",
    "BackgroundTasks",
    "Event",
    "Guard",
    "answer_in",
    "call_blocking",
    "call_here",
    "call_user_function",
    "call_within",
    "check_callback",
    "checkpoint",
    "current_owner",
    "monotonic",
    "pause_by",
    "run_all",
    "shielded",
    "sleep",
]

P = ParamSpec("P")
T = TypeVar("T")

HAS_EVENT_LOOP: bool = False
"""Whether work that takes long belongs in a thread, since it would block an event loop."""

monotonic = time.monotonic
sleep = time.sleep


def pause_by(clock: Callable[[], float]) -> Callable[[float], None]:
    """Return the function that pauses: `sleep`, or `pause` of a `MovedClock`."""
    return clock.pause if isinstance(clock, MovedClock) else sleep


_log = logging.getLogger("storekit")

Guard = threading.Lock


def answer_in(ask: Callable[[T], bool], item: T, name: str) -> bool:  # noqa: ARG001 - only the async side uses it
    """Answer the operator `in` with the result of a method."""
    return ask(item)


def checkpoint() -> None:
    """Do nothing: the interpreter switches threads by itself."""


class Event:
    """A flag that threads can wait for.

    Each waiter has a lock of its own, and there is no common one: an exception that a signal
    handler raises, which can happen between any two bytecodes, can't leave a common lock held.
    """

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: deque[threading.Lock] = deque()

    def set(self) -> None:
        """Wake all waiting threads; later calls of `wait` return at once."""
        self._is_set = True
        while self._waiting:
            try:
                self._waiting.popleft().release()
            except IndexError:  # another thread was faster
                break

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until set; False when `timeout` seconds passed first."""
        if self._is_set:
            return True
        lock = threading.Lock()
        lock.acquire()
        self._waiting.append(lock)
        if not self._is_set:  # if it was set just now, `set` may have missed this lock
            lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout))
        if not self._is_set:
            with suppress(ValueError):
                self._waiting.remove(lock)
        return self._is_set


def current_owner() -> object:
    """Return what a client belongs to while it is in use: any thread may use it."""
    return None


def shielded(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run a clean-up to its end."""
    call(*args, **kwargs)


def run_all(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Run all calls concurrently; return their results in order, or raise the first error.

    One runs in the calling thread, followed by those for which no thread can be started.
    If the caller is interrupted, the other threads stop at their next wait for a socket; this
    waits for them, at most a second. They are daemon threads, which do not delay the exit of
    the interpreter.
    """
    helpers = [HelperThread(call) for call in calls]
    try:
        left = [helper for helper in helpers[1:] if not helper.start()]
        for helper in [*helpers[:1], *left]:
            helper.run_here()
        for helper in helpers:
            helper.ended.wait()
    except BaseException:
        for helper in helpers:
            helper.stopped = True
        until = monotonic() + 1
        for helper in helpers[1:]:
            helper.ended.wait(max(0.0, until - monotonic()))
        raise
    return [helper.result() for helper in helpers]


class Stopped(BaseException):
    """The thread was told to stop."""


class HelperThread(Generic[T]):
    """A call in another thread than that of its caller.

    Used instead of the futures of the standard library, whose locks may stay held after a signal
    handler has raised in a waiting thread.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._value: tuple[T] | None = None
        self._error: BaseException | None = None
        self.ended = Event()
        self.stopped = False

    def start(self, name: str = "storekit") -> bool:
        """Start the thread; False if no thread can be started."""
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except RuntimeError:
            return False
        return True

    def start_or_raise(self, name: str) -> None:
        """Start the thread. Raises `OutOfResources` if no thread can be started."""
        with shortages_raised("start a thread"):
            threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        this_thread.helper = self
        try:
            self._value = (self._call(),)
        except BaseException as error:  # noqa: BLE001 - it goes to the caller
            self._error = error
        finally:
            self.ended.set()

    def run_here(self) -> None:
        """Make the call in the calling thread. An interruption of it is raised at once."""
        try:
            self._value = (self._call(),)
        except Exception as error:  # noqa: BLE001 - `result` raises it once the others have ended
            self._error = error
        self.ended.set()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the call; return its result or raise its error.

        `TimeoutError` after `timeout` seconds.
        """
        self.ended.wait(timeout)
        if self._value is not None:
            return self._value[0]
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # its traceback refers to this object
        raise TimeoutError


class _ThisThread(threading.local):
    helper: HelperThread[Any] | None = None


this_thread = _ThisThread()
"""Whose `helper` is the `HelperThread` that the calling thread belongs to, if any."""


def call_user_function(function: Callable[..., T], kwargs: Mapping[str, object]) -> T:
    """Call a function of the user's."""
    result = function(**kwargs)
    _refuse_awaitable(function, result)
    return result


def _refuse_awaitable(function: object, result: object) -> None:
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(
            f"{function!r} returned an awaitable; the sync client takes plain functions"
        )


def call_here(function: Callable[..., object], *args: object) -> None:
    """Call a function of the user's. `TypeError` if it returns an awaitable."""
    _refuse_awaitable(function, function(*args))


def check_callback(name: str, function: object) -> None:
    """Raise `TypeError` if `function` can't be called, or is a coroutine function."""
    check_callable(name, function)
    call = getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call):
        raise TypeError(f"{name} is a coroutine function; the sync client takes plain functions")


def call_blocking(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call at once: the sync side may block."""
    return call(*args, **kwargs)


def call_within(timeout: float, call: Callable[[], T]) -> T:
    """Return the result of `call`; `TimeoutError` if that takes more than `timeout` seconds.

    It then runs on in its thread, and its outcome is dropped. Raises `OutOfResources` if no
    thread can be started.
    """
    helper = HelperThread(call)
    helper.start_or_raise("storekit-call")
    return helper.result(timeout)


class BackgroundTasks:
    """Short-lived threads that may run on after the call that started them."""

    def __init__(self) -> None:
        self._running: set[threading.Thread] = set()

    def start(self, call: Callable[[], None], ended: Callable[[], None] = lambda: None) -> None:
        """Start `call` in a thread. It must limit its own time; an error in it is logged.

        `ended` is called once it is over. Raises `RuntimeError` if no thread can be started.
        """

        def run() -> None:
            try:
                call()
            except Exception:  # noqa: BLE001 - an error here has no caller that could get it
                _log.exception("a background thread of a storekit client failed")
            finally:
                self._running.discard(threading.current_thread())
                ended()

        thread = threading.Thread(target=run, name="storekit-background", daemon=True)
        self._running.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._running.discard(thread)
            raise

    def close(self) -> None:
        """Wait until all threads have ended, at most 5 seconds: threads can't be cancelled."""
        until = monotonic() + 5
        for thread in list(self._running):
            thread.join(max(0.0, until - monotonic()))
