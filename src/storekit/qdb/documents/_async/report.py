"""Telling the caller's function how far a document is."""

from collections.abc import Callable

from storekit.core.seam._async import call_here, check_callback
from storekit.qdb.documents.keys import DocumentKey
from storekit.qdb.documents.progress import Progress, ProgressBar

__all__ = ["AsyncReport"]


class AsyncReport:
    """Calls a function with what is done. The last call has the same number twice."""

    def __init__(self, progress: Progress | None, key: DocumentKey) -> None:
        """Take the function. Raises `TypeError` if it is none, or none for this client."""
        self._close: Callable[[], object] | None = None
        self._last: tuple[int, int | None] | None = None
        if isinstance(progress, ProgressBar):
            drawn = progress.begin(str(key))
            progress, self._close = drawn, drawn.close
        elif progress is not None:
            check_callback("progress", progress)
        self._progress = progress

    async def __call__(self, done: int, total: int | None) -> None:
        """Say how many bytes are done, and of how many."""
        if self._progress is not None:
            self._last = (done, total)
            await call_here(self._progress, done, total)

    async def end(self, size: int) -> None:
        """Say that all is done, unless that was said."""
        if self._last != (size, size):
            await self(size, size)

    def close(self) -> None:
        """Leave a bar that was drawn as it is."""
        if self._close is not None:
            self._close()
