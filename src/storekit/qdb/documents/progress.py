"""Who is told how far uploads and downloads are; and a progress bar."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from storekit._extras import require

__all__ = ["Progress", "ProgressBar", "bar"]

Progress = Callable[[int, int | None], object]
"""Told how many bytes are done, and of how many, None if that is not known.

What it returns is awaited by the async clients, if that can be.
"""


class ProgressBar:
    """Draws a bar on standard error, with tqdm: `progress=storekit.qdb.bar`.

    Uploads and downloads that are under way at the same time have a bar each. Raises
    `ModuleNotFoundError` where tqdm is missing.
    """

    def __init__(self, label: str = "") -> None:
        self._label = label
        self._drawn: Any = None

    def begin(self, label: str) -> "ProgressBar":
        """Return a bar for one transfer. Uploads and downloads do this, and close it."""
        require("the progress bar", "progress", "tqdm")
        return ProgressBar(label)

    def __call__(self, done: int, total: int | None) -> None:
        """Show how many bytes are done, and of how many."""
        if self._drawn is None:
            self._drawn = _draw(self._label)
        self._drawn.total = total
        self._drawn.update(done - self._drawn.n)
        if done == total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it is. The next call draws another one."""
        drawn, self._drawn = self._drawn, None
        if drawn is not None:
            drawn.close()

    def __repr__(self) -> str:
        return "storekit.qdb.bar"


def _draw(label: str) -> Any:  # noqa: ANN401 - a class of tqdm's, which has no types
    require("the progress bar", "progress", "tqdm")
    tqdm: Any = import_module("tqdm").tqdm

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # or tqdm starts a thread

    return Bar(desc=label or None, unit="B", unit_scale=True, unit_divisor=1024, miniters=0)


bar: ProgressBar = ProgressBar()
"""A progress bar for uploads and downloads: `client.upload(path, progress=storekit.qdb.bar)`."""
