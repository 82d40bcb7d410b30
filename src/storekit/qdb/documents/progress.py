"""Progress of uploads and downloads: the type of callbacks, and a progress bar."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from storekit._extras import require

__all__ = ["Progress", "ProgressBar", "bar"]

Progress = Callable[[int, int | None], object]
"""Called with the bytes done so far and the total, None if that is not known.

Async clients await the result if it is awaitable.
"""


class ProgressBar:
    """Draws a bar on standard error, with tqdm: `progress=storekit.qdb.bar`.

    Concurrent uploads and downloads have a bar each. Raises `ModuleNotFoundError` if tqdm is
    not installed.
    """

    def __init__(self, label: str = "") -> None:
        self._label = label
        self._drawn: Any = None

    def begin(self, label: str) -> "ProgressBar":
        """Return a bar for one transfer, which uploads and downloads call and close."""
        require("the progress bar", "progress", "tqdm")
        return ProgressBar(label)

    def __call__(self, done: int, total: int | None) -> None:
        """Show the bytes done so far, and the total."""
        if self._drawn is None:
            self._drawn = _draw(self._label)
        self._drawn.total = total
        self._drawn.update(done - self._drawn.n)
        if done == total:
            self.close()

    def close(self) -> None:
        """Stop updating the bar, which stays visible. The next call draws another one."""
        drawn, self._drawn = self._drawn, None
        if drawn is not None:
            drawn.close()

    def __repr__(self) -> str:
        return "storekit.qdb.bar"


def _draw(label: str) -> Any:  # noqa: ANN401 - tqdm has no types
    require("the progress bar", "progress", "tqdm")
    tqdm: Any = import_module("tqdm").tqdm

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # otherwise tqdm starts a thread

    return Bar(desc=label or None, unit="B", unit_scale=True, unit_divisor=1024, miniters=0)


bar: ProgressBar = ProgressBar()
"""A progress bar for uploads and downloads: `client.upload(path, progress=storekit.qdb.bar)`."""
