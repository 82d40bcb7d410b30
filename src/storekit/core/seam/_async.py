"""The async side of the seam, on anyio; calls asyncio or trio directly where anyio can't."""

import asyncio
import inspect
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

from storekit.core.arguments import check_callable
from storekit.core.clocks import MovedClock
from storekit.core.shortage import raise_shortage

__all__ = [
    "HAS_EVENT_LOOP",
    "BackgroundTasks",
    "Event",
    "Guard",
    "answer_in",
    "call_beside",
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

HAS_EVENT_LOOP: bool = True
"""Whether work that takes long belongs in a thread, since it would block an event loop."""

monotonic = time.monotonic
sleep = anyio.sleep


def pause_by(clock: Callable[[], float]) -> Callable[[float], Awaitable[None]]:
    """Return the function that pauses: `sleep`, or for a `MovedClock` one that advances it."""
    if not isinstance(clock, MovedClock):
        return sleep
    step = clock.pause

    async def pause(seconds: float) -> None:
        step(seconds)
        await checkpoint()

    return pause


checkpoint = anyio.lowlevel.checkpoint

_log = logging.getLogger("storekit")


class Guard:
    """Protects state changes. Tasks of one event loop need no lock for that: does nothing."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, *exc_info: object) -> None: ...


class Event:
    """A flag that tasks can wait for."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        """Wake all waiting tasks; later calls of `wait` return at once."""
        self._event.set()

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until set; False when `timeout` seconds passed first."""
        with anyio.move_on_after(timeout):
            await self._event.wait()
        return self._event.is_set()


def answer_in(ask: Callable[[T], Awaitable[bool]], item: T, name: str) -> bool:  # noqa: ARG001 - only the sync side uses them
    """Raise `TypeError`: the operator `in` can't await an answer."""
    raise TypeError(f"`in` can't wait for the store: write `await client.{name}(alias)`")


def current_owner() -> object:
    """Return what a client belongs to while it is in use: the thread of its event loop.

    A thread runs one event loop at a time, and its number is faster to get than the loop.
    """
    return threading.get_ident()


async def shielded(call: Callable[P, Awaitable[object]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run a clean-up to its end even if the caller is cancelled, for at most 2 seconds."""
    with anyio.move_on_after(2, shield=True):
        await call(*args, **kwargs)


async def run_all(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Run all calls concurrently; return their results in order.

    The first error cancels the others and is raised, not in a group.
    """
    results: dict[int, T] = {}
    errors: list[Exception] = []

    async def run(index: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[index] = await call()
        except Exception as error:  # noqa: BLE001 - raised below, and not in a group
            errors.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index, call in enumerate(calls):
            group.start_soon(run, index, call)
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(calls))]


async def call_user_function(
    function: Callable[..., T | Awaitable[T]], kwargs: Mapping[str, object]
) -> T:
    """Call a function of the user's, sync or async, without blocking the event loop.

    A plain function runs in a thread. When the caller is cancelled, that thread runs on to
    its end and the result is dropped. The number of these threads has no limit, and they are apart
    from those of `call_blocking`: with a limit, functions that wait for one another, or for the
    library, could block forever. Raises `OutOfResources` if no thread can be started.
    """
    call = partial(function, **kwargs)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    ):
        result = call()
    else:
        result = await _in_thread(call, _user_threads)
    if inspect.isawaitable(result):
        return await result
    return result


async def call_here(function: Callable[..., object], *args: object) -> None:
    """Call a function of the user's in this task; if it returns an awaitable, await that."""
    result = function(*args)
    if inspect.isawaitable(result):
        await result


def check_callback(name: str, function: object) -> None:
    """Raise `TypeError` if `function`, meant for `call_here`, can't be called."""
    check_callable(name, function)


async def call_blocking(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run work that would block the event loop in a thread.

    When the caller is cancelled, the thread runs on to its end and the result is dropped.
    At most 40 run at a time for one event loop, apart from threads for functions of the user's and
    those of the program. Raises `OutOfResources` if no thread can be started.
    """
    return await _in_thread(partial(call, *args, **kwargs), _library_threads)


_library_threads: RunVar[CapacityLimiter] = RunVar("threads of storekit")
_user_threads: RunVar[CapacityLimiter] = RunVar("threads of storekit for functions of its users")
_LIBRARY_THREADS = 40


async def _in_thread(call: Callable[[], T], threads: RunVar[CapacityLimiter]) -> T:
    limiter = threads.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_LIBRARY_THREADS if threads is _library_threads else math.inf)
        threads.set(limiter)
    began = False

    def run() -> tuple[T]:
        nonlocal began
        began = True
        return (call(),)  # in a tuple, since trio does not accept a coroutine from a thread

    try:
        (result,) = await anyio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=limiter)
    except RuntimeError as error:
        if not began:
            raise_shortage(error, "start a thread")
        raise
    return result


async def call_within(timeout: float, call: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `call`; `TimeoutError` after `timeout` seconds, when it is cancelled."""
    with anyio.fail_after(timeout):
        return await call()


async def call_beside(
    call: Callable[[], Awaitable[T]], watch: Callable[[], Awaitable[object]]
) -> T:
    """Return the result of `call`. `watch` runs concurrently and is cancelled when `call` ends."""
    results: list[T] = []
    errors: list[Exception] = []

    async def run_watch() -> None:
        await watch()

    async with anyio.create_task_group() as group:
        group.start_soon(run_watch)
        try:
            results.append(await call())
        except Exception as error:  # noqa: BLE001 - raised below, and not in a group
            errors.append(error)
        group.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return results[0]


class BackgroundTasks:
    """Short tasks that may run on after the call that started them, until `aclose`."""

    def __init__(self) -> None:
        self._running: dict[anyio.CancelScope, anyio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self, call: Callable[[], Awaitable[None]], ended: Callable[[], None] = lambda: None
    ) -> None:
        """Start `call` in a task. It must limit its own time; an error in it is logged.

        `ended` is called once it is over, even if it was cancelled before it began.
        """
        scope, finished = anyio.CancelScope(), anyio.Event()

        async def run() -> None:
            try:
                with scope:
                    await call()
            except Exception:  # noqa: BLE001 - an error here has no caller that could get it
                _log.exception("a background task of a storekit client failed")
            finally:
                end()

        def end() -> None:
            if self._running.pop(scope, None) is not None:
                finished.set()
                ended()

        self._running[scope] = finished
        self._spawn(run, end)

    def _spawn(self, run: Callable[[], Coroutine[Any, Any, None]], end: Callable[[], None]) -> None:
        # Not in a task group, which would need an `async with` in one task: clients may also be
        # made at import time, and closed by calling `aclose`.
        loop = anyio.lowlevel.current_token().native_token
        if isinstance(loop, asyncio.AbstractEventLoop):
            task = loop.create_task(run())
            self._tasks.add(task)  # the loop itself holds only a weak reference
            task.add_done_callback(self._tasks.discard)
            # A loop that ends cancels tasks that have not begun: then their `finally` does not run.
            task.add_done_callback(lambda _: end())
        else:
            import trio  # noqa: PLC0415 - loaded already: it is the loop that runs us

            trio.lowlevel.spawn_system_task(run)

    async def aclose(self) -> None:
        """Cancel all running tasks and wait until they have ended, at most 2 seconds."""
        running = list(self._running.items())
        for scope, _ in running:
            scope.cancel()
        with anyio.move_on_after(2, shield=True):
            for _, finished in running:
                await finished.wait()
