"""Progress on standard error, if that is a terminal: amount done, speed, time left."""

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
"""Called with the bytes done, and with the total, None if that is not known."""


@contextmanager
def progress_bar(invocation: Invocation, label: str, total: int | None = None) -> Iterator[Report]:
    """Show a progress bar while the body runs. The body calls the `Report` that it gets.

    `total` is the number of bytes, if the calls do not give it.
    """
    if invocation.json or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    require("the progress bar", "cli", "rich")
    from rich.console import Console  # noqa: PLC0415 - only if a bar is shown
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
        """Like rich's own column, but in the units of the sizes."""

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
    """Show the progress of a transfer while the body runs. The body calls the function it gets.

    There is no bar, since the number of entries is not known before all are read.
    """
    if invocation.json or not sys.stderr.isatty():
        yield lambda _progress: None
        return
    require("showing progress", "cli", "rich")
    from rich.console import Console  # noqa: PLC0415 - only if it is shown
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
