"""Tables of results, and the description of the machine."""

import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.harness import Comparison, Row

__all__ = ["as_json", "comparison_table", "machine", "machine_line", "replace_block", "row_table"]

_PACKAGES = ("httpx", "anyio", "trio", "uvloop", "qcache-client")


def machine(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """The machine, and the versions of Python and packages."""
    there = os.cpu_count() or 1
    used = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    cores = str(there) if used == there else f"{used} of {there}"
    release = re.match(r"\d+(\.\d+)?", platform.release())
    facts = {
        "CPU": _cpu_model(),
        "cores": cores,
        "system": f"{platform.system()} {release.group() if release else ''}".strip()
        + f" {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for package in packages:
        try:
            facts[package] = version(package)
        except ModuleNotFoundError:
            continue
    return facts


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def machine_line(facts: Mapping[str, str]) -> str:
    """The machine in one line of text."""
    own = f"{facts['CPU']}, {facts['cores']} cores, {facts['system']}; {facts['Python']}"
    shown = ("CPU", "cores", "system", "Python")
    return ", ".join([own, *(f"{name} {facts[name]}" for name in facts if name not in shown)])


def row_table(rows: Iterable[Row]) -> str:
    """A Markdown table of µs a call."""
    lines = ["| | min | median | max |", "|---|--:|--:|--:|"]
    lines += [
        "| "
        + " | ".join([row.name, *map(_figure, (min(row.rounds), row.median, max(row.rounds)))])
        + " |"
        for row in rows
    ]
    return "\n".join(lines)


def _figure(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"


def comparison_table(comparisons: Iterable[Comparison]) -> str:
    """A Markdown table of ratios, targets and verdicts."""
    lines = ["| | min | median | max | target | |", "|---|--:|--:|--:|--:|---|"]
    for each in comparisons:
        low, high = min(each.figures), max(each.figures)
        target = verdict = ""
        if each.target is not None:
            target = f"{'≤' if each.at_most else '≥'} {each.target:g}"
            verdict = "ok"
            if each.missed:
                verdict = f"missed: {each.reason}" if each.reason else "MISSED"
        lines.append(
            f"| {each.name} | {low:.2f} | {each.median:.2f} | {high:.2f} | {target} | {verdict} |"
        )
    return "\n".join(lines)


def as_json(rows: Iterable[Row], comparisons: Iterable[Comparison]) -> dict[str, object]:
    """The raw data of all rounds."""
    return {
        "microseconds_a_call": {row.name: list(row.rounds) for row in rows},
        "ratios": [
            {
                "name": each.name,
                "rounds": list(each.figures),
                "median": each.median,
                "target": each.target,
                "at_most": each.at_most,
                "missed": each.missed,
                "reason": each.reason,
            }
            for each in comparisons
        ],
    }


def replace_block(path: Path, text: str, name: str = "benchmark") -> None:
    """Put `text` between the two markers of that name in a file."""
    begin_marker, end_marker = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    content = path.read_text("utf-8")
    before, begin, rest = content.partition(begin_marker)
    _, end, after = rest.partition(end_marker)
    if not begin or not end:
        raise ValueError(f"{path.name} lacks the markers {begin_marker} and {end_marker}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")
