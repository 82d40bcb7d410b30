"""Plots of the latest results: `python -m benchmarks.plots` draws those in `docs/images` again.

They show the results that the benchmarks store in `docs/benchmarks`, each in light and in dark.
"""

import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.command import ROOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PLOTS", "draw"]

Rounds = Mapping[str, Sequence[float]]

OURS, OTHERS = 0, 1
COLOURS = {"light": ("#1f6feb", "#b6bcc4"), "dark": ("#58a6ff", "#5c6370")}
INK = {"light": "#24292f", "dark": "#d0d7de"}
FAINT = {"light": "#d8dee4", "dark": "#3d444d"}


def _bars(
    axes: "Axes", mode: str, bars: Sequence[tuple[str, float, int]], unit: str, *, log: bool
) -> None:
    """Draw horizontal bars, each a name, a figure, and `OURS` or `OTHERS`, the first one on top."""
    names = [name for name, _, _ in reversed(bars)]
    figures = [figure for _, figure, _ in reversed(bars)]
    colours = [COLOURS[mode][whose] for _, _, whose in reversed(bars)]
    drawn = axes.barh(names, figures, color=colours, height=0.7)
    axes.bar_label(drawn, [f" {_number(each)} {unit}" for each in figures], color=INK[mode])
    if log:
        axes.set_xscale("log")
        axes.set_xlim(min(figures) / 2, max(figures) * 4)
    else:
        axes.set_xlim(0, max(figures) * 1.25)
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def _number(figure: float) -> str:
    return f"{figure:,.0f}".replace(",", "\u202f") if figure >= 10 else f"{figure:.1f}"


def _medians(rounds: Rounds) -> dict[str, float]:
    return {name: statistics.median(each) for name, each in rounds.items()}


def clients(axes: "Axes", mode: str, found: Mapping[str, Any]) -> None:
    """Latency: one small query by client."""
    medians = _medians(found["queries"]["microseconds_a_call"])
    bars = [
        (name, each, OURS if "QClient" in name else OTHERS)
        for name, each in sorted(medians.items(), key=lambda pair: pair[1])
    ]
    _bars(axes, mode, bars, "µs", log=True)
    axes.set_title("One small query, µs a call (less is better, logarithmic)", loc="left")


def tasks(axes: "Axes", mode: str, found: Mapping[str, Any]) -> None:
    """Throughput: gets per second by the number of tasks."""
    medians = _medians(found["tasks"]["microseconds_a_call"])
    lines = (("get", "storekit", OURS), ("anyio.to_thread", "a thread a call", OTHERS))
    for prefix, label, whose in lines:
        points = {
            int(name.split(", ")[2].split()[0]): 1e6 / each
            for name, each in medians.items()
            if name.startswith(f"{prefix}, no wait, ") and name.endswith("asyncio")
        }
        axes.plot([*points], [*points.values()], "o-", color=COLOURS[mode][whose], label=label)
        last = max(points)
        axes.annotate(
            f" {label}\n {_number(points[last])}",
            (last, points[last]),
            color=INK[mode],
            va="center",
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks([*points], [str(each) for each in points])
    axes.set_xlim(right=max(points) * 6)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("tasks, asyncio")
    axes.set_title("Gets a second of 100 bytes over the C interface", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=FAINT[mode], linewidth=0.6)


def node(axes: "Axes", mode: str, found: Mapping[str, Any]) -> None:
    """Queries: our node and the servers that it is compared with, in milliseconds."""
    medians = _medians(found["large"]["microseconds_a_call"])
    chosen = ("filter", "group-by sum", "distinct", "order-by with limit", "like", "ingest")
    bars = [
        (name.replace("storekit node", "storekit"), medians[name] / 1000, whose)
        for task in chosen
        for name, whose in _servers(medians, task)
    ]
    _bars(axes, mode, bars, "ms", log=True)
    axes.set_title("A million rows, ms a task (less is better, logarithmic)", loc="left")


def _servers(names: Mapping[str, float], task: str) -> list[tuple[str, int]]:
    ours = f"{task}, storekit node"
    others = [name for name in names if name.rpartition(", ")[0] == task and name != ours]
    return [(ours, OURS), *((other, OTHERS) for other in others)]


def memory(axes: "Axes", mode: str, found: Mapping[str, Any]) -> None:
    """Memory of a table of a million rows."""
    medians = _medians(found["memory"]["megabytes"])
    bars = [
        (name.replace("storekit node", "storekit"), each, OURS if "storekit" in name else OTHERS)
        for name, each in medians.items()
    ]
    _bars(axes, mode, bars, "MB", log=False)
    axes.set_title("Memory that a table of a million rows takes", loc="left")


PLOTS: dict[str, tuple[str, Callable[["Axes", str, Mapping[str, Any]], None], float]] = {
    "clients": ("qcache.json", clients, 3.4),
    "tasks": ("qdb.json", tasks, 3.6),
    "node": ("node.json", node, 4.4),
    "memory": ("node.json", memory, 1.4),
}
"""Each plot: its file of results, its drawing function, and its height in inches."""


def draw(results: Path, images: Path) -> list[Path]:
    """Draw all plots of the results in one directory into another one."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to load

    mpl.use("svg")
    from matplotlib import pyplot  # noqa: PLC0415 - after the choice of the backend

    images.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (file, plot, height) in PLOTS.items():
        found = json.loads((results / file).read_text("utf-8"))
        for mode, ink in INK.items():
            style = {
                "font.family": "sans-serif",
                "font.size": 10,
                "axes.titlesize": 11,
                "svg.fonttype": "none",  # text as text, not as paths
                "svg.hashsalt": "storekit",  # the same results give the same file
                **dict.fromkeys(
                    ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), ink
                ),
                "axes.edgecolor": FAINT[mode],
            }
            with pyplot.rc_context(style):
                figure, axes = pyplot.subplots(figsize=(8, height), layout="constrained")
                plot(axes, mode, found)
                path = images / f"{name}-{mode}.svg"
                figure.savefig(path, transparent=True, metadata={"Date": None})
                pyplot.close(figure)
            written.append(path)
    return written


def main() -> int:
    for path in draw(ROOT / "docs" / "benchmarks", ROOT / "docs" / "images"):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
