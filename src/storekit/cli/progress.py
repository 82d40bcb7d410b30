"""A bar on standard error, where that is a terminal: how much is done, how fast, how long yet."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storekit._extras import require
from storekit.cli.invocation import Invocation
from storekit.cli.output import shown_size, visible

if TYPE_CHECKING:
    from storekit.transfer import TransferProgress

__all__ = ["Report", "progress_bar", "transfer_progress"]

Report = Callable[[int, int | None], None]
"""Told how many bytes are done, and of how many, None if that is not known."""


@contextmanager
def progress_bar(invocation: Invocation, label: str, total: int | None = None) -> Iterator[Report]:
    """Draw a bar while the block runs. The block calls what it is given.

    `total` is how many bytes there are, where what calls does not know it.
    """
    if invocation.json or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    require("the progress bar", "cli", "rich")
    from rich.console import Console  # noqa: PLC0415 - only where there is a bar
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class Speed(ProgressColumn):
        """As rich's own, in the units of the sizes beside it."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{shown_size(speed)}/s")

    console = Console(stderr=True)
    shown = visible(label)
    if len(shown) > console.width // 3:
        shown = shown[: console.width // 3 - 3] + "..."
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True),
        Speed(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task(escape(shown), total=total)

        def report(done: int, of: int | None) -> None:
            bar.update(task, completed=done, total=total if of is None else of)

        yield report


@contextmanager
def transfer_progress(invocation: Invocation) -> Iterator[Callable[["TransferProgress"], None]]:
    """Show how far a transfer is while the block runs. The block calls what it is given.

    How many entries there are nobody knows before all are read: so there is no bar.
    """
    if invocation.json or not sys.stderr.isatty():
        yield lambda _progress: None
        return
    require("showing progress", "cli", "rich")
    from rich.console import Console  # noqa: PLC0415 - only where it is shown
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("reading")

        def report(progress: "TransferProgress") -> None:
            seconds = shown.tasks[0].elapsed or 0.0
            speed = f", {progress.entries / seconds:,.0f} a second" if seconds > 1 else ""
            shown.update(
                task,
                description=f"{progress.phase} {progress.entries:,} entries, "
                f"{shown_size(progress.content_bytes)}{speed}",
            )

        yield report
