"""Event loops whose clocks jump, so that no test waits for a time limit."""

import asyncio

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio.testing


class JumpingLoop(asyncio.SelectorEventLoop):
    """Does not wait for timers, but moves its clock to the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0
        real_select = self._selector.select

        def select(timeout: float | None = None) -> list:
            events = real_select(0)
            if not events and timeout:
                self.jumped += timeout
            return events

        self._selector.select = select

    def time(self) -> float:
        return super().time() + self.jumped


def run_without_sleep(backend: str, main, *args) -> float:
    """Run `main`; returns how many seconds it would have taken."""

    async def timed() -> float:
        start = anyio.current_time()
        await main(*args)
        return anyio.current_time() - start

    if backend == "trio":
        options = {"clock": trio.testing.MockClock(autojump_threshold=0)}
    else:
        options = {"loop_factory": JumpingLoop}
    return anyio.run(timed, backend=backend, backend_options=options)


both_backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])
