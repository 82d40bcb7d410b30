"""Reports of the progress of a document to the callback of the caller."""

from collections.abc import Callable

from storekit.core.seam._async import call_here, check_callback
from storekit.qdb.documents.keys import DocumentKey
from storekit.qdb.documents.progress import Progress, ProgressBar

__all__ = ["AsyncReport"]


class AsyncReport:
    """Calls a function with the bytes done and the total. The last call has the size twice."""

    def __init__(self, progress: Progress | None, key: DocumentKey) -> None:
        """Check the function. Raises `TypeError` if it is none, or not suitable for this client."""
        self._close: Callable[[], object] | None = None
        self._last: tuple[int, int | None] | None = None
        if isinstance(progress, ProgressBar):
            drawn = progress.begin(str(key))
            progress, self._close = drawn, drawn.close
        elif progress is not None:
            check_callback("progress", progress)
        self._progress = progress

    async def __call__(self, done: int, total: int | None) -> None:
        """Report the bytes done so far, and the total."""
        if self._progress is not None:
            self._last = (done, total)
            await call_here(self._progress, done, total)

    async def end(self, size: int) -> None:
        """Report the end, unless the last report was that."""
        if self._last != (size, size):
            await self(size, size)

    def close(self) -> None:
        """Close the progress bar, if there is one."""
        if self._close is not None:
            self._close()
