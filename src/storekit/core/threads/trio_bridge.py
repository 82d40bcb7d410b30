"""The bridge for trio."""

# ruff: noqa: ASYNC105, D102 - the caller of `wait` awaits it; the base class describes the methods

from collections.abc import Awaitable, Callable
from typing import Any

import outcome
import trio

from storekit.core.threads.bridge import Bridge, Call

__all__ = ["TrioBridge"]


class TrioBridge(Bridge):
    """The calls that tasks of one `trio.run` wait for."""

    def __init__(self, discard: Callable[[Call], None], grace: float) -> None:
        super().__init__(discard, grace)
        self._token = trio.lowlevel.current_trio_token()
        self._over = False
        self._timer: trio.CancelScope | None = None

    def wake(self, callback: Callable[[], object]) -> bool:
        try:
            self._token.run_sync_soon(callback)
        except trio.RunFinishedError:
            self._over = True
            return False
        return True

    def is_current(self) -> bool:
        try:
            return trio.lowlevel.current_trio_token() is self._token
        except RuntimeError:
            return False

    def is_over(self) -> bool:
        return not self.wake(lambda: None)

    def wait(self, call: Call) -> Awaitable[Any]:
        call.waiter = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self.leave(call)
            return trio.lowlevel.Abort.SUCCEEDED

        return trio.lowlevel.wait_task_rescheduled(abort)

    def resume(self, call: Call) -> bool:
        # The task still waits: a call whose task was cancelled is no longer in `calls`.
        if call.error is None:
            trio.lowlevel.reschedule(call.waiter, outcome.Value(call.value))
        else:
            trio.lowlevel.reschedule(call.waiter, outcome.Error(call.error))
        return True

    def set_timer(self, delay: float) -> None:
        self.stop_timer()
        scope = self._timer = trio.CancelScope()

        async def run() -> None:
            with scope:
                await trio.sleep(delay)
                if self._timer is scope:
                    self.on_timer()

        trio.lowlevel.spawn_system_task(run, name="storekit timer")

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
