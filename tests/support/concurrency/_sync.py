import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from storekit.core.seam._sync import Event
from tests.support.concurrency import PATIENCE

__all__ = ["Crew", "Job", "until"]

T = TypeVar("T")


def until(condition: Callable[[], bool]) -> None:
    """Let others run until the condition holds."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "the condition does not come true"
        time.sleep(0)


class Job(Generic[T]):
    """A call that runs beside the test."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._ended = Event()
        self._value: tuple[T] | None = None
        self._error: Exception | None = None
        self.looked_at = False

    def run(self) -> None:
        try:
            self._value = (self._call(),)
        except Exception as error:
            self._error = error
        finally:
            self._ended.set()

    def ended(self) -> bool:
        return self._value is not None or self._error is not None

    def result(self) -> T:
        """Wait for the end of the call and return its result or raise its error."""
        self.looked_at = True
        assert self._ended.wait(PATIENCE), "the job hangs"
        if self._error is not None:
            raise self._error
        assert self._value is not None
        return self._value[0]


class Crew:
    """Starts jobs; none outlives it unless the test failed, and no error of one is lost."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            for job in self._jobs:
                if not job.looked_at:
                    job.result()

    def start(self, call: Callable[[], T]) -> Job[T]:
        job = Job(call)
        self._jobs.append(job)
        threading.Thread(target=job.run, daemon=True).start()
        return job
