"""The bridge for asyncio."""

# ruff: noqa: D102 - the base class describes the methods

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from storekit.core.threads.bridge import Bridge, Call

__all__ = ["AsyncioBridge"]


class AsyncioBridge(Bridge):
    """The calls that tasks of one asyncio event loop wait for."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, discard: Callable[[Call], None], grace: float
    ) -> None:
        super().__init__(discard, grace)
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def wake(self, callback: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            return False
        return True

    def is_current(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def is_over(self) -> bool:
        return self._loop.is_closed()

    def wait(self, call: Call) -> Awaitable[Any]:
        # `create_future` returns the same, by a call that takes longer.
        waiter: asyncio.Future[Any] = asyncio.Future(loop=self._loop)
        call.waiter = waiter
        return waiter

    def hand_out(self) -> None:
        # `Bridge.hand_out` with `resume` inlined, which saves a fiftieth of the time of a call.
        self._posted = False
        done, calls = self.done, self.calls
        while done:
            call = done.popleft()
            waiter: asyncio.Future[Any] = call.waiter
            if calls.pop(call, self) is self or waiter.done():
                self._discard(call)
            elif call.error is None:
                waiter.set_result(call.value)
            else:
                self.resume(call)
                call.error = None  # its traceback refers to frames that refer to the call

    def resume(self, call: Call) -> bool:
        waiter: asyncio.Future[Any] = call.waiter
        if waiter.done():
            return False
        if call.error is None:
            waiter.set_result(call.value)
        elif isinstance(call.error, StopIteration):  # which a future can't carry
            waiter.set_exception(RuntimeError(f"a blocking call raised {call.error!r}"))
        else:
            waiter.set_exception(call.error)
        return True

    def set_timer(self, delay: float) -> None:
        self.stop_timer()
        self._timer = self._loop.call_later(delay, self.on_timer)

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
