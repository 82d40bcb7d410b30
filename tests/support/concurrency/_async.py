from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Generic, Self, TypeVar

import anyio

from storekit.core.seam._async import Event, checkpoint
from tests.support.concurrency import PATIENCE

__all__ = ["Crew", "Job", "until"]

T = TypeVar("T")


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until the condition holds."""
    with anyio.fail_after(PATIENCE):
        while not condition():
            await checkpoint()


class Job(Generic[T]):
    """A call that runs beside the test."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._ended = Event()
        self._value: tuple[T] | None = None
        self._error: Exception | None = None
        self.looked_at = False

    async def run(self) -> None:
        try:
            self._value = (await self._call(),)
        except Exception as error:
            self._error = error
        finally:
            self._ended.set()

    def ended(self) -> bool:
        return self._value is not None or self._error is not None

    async def result(self) -> T:
        """Wait for the end of the call and return its result or raise its error."""
        self.looked_at = True
        assert await self._ended.wait(PATIENCE), "the job hangs"
        if self._error is not None:
            raise self._error
        assert self._value is not None, "the job was cancelled"
        return self._value[0]


class Crew:
    """Starts jobs; none outlives it, and no error of one is lost."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                for job in self._jobs:
                    if not job.looked_at:
                        await job.result()
        finally:
            # What the body raised is not passed on, or it would come back in a group.
            self._group.cancel_scope.cancel()
            await self._stack.aclose()

    def start(self, call: Callable[[], Awaitable[T]]) -> Job[T]:
        job = Job(call)
        self._jobs.append(job)
        self._group.start_soon(job.run)
        return job
