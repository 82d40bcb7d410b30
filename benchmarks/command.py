"""Common parts of the commands: options, messages, and the exit status."""

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.harness import LOOPS, Comparison

__all__ = ["ROOT", "conclude", "load_average", "loops", "parse", "say"]

ROOT = Path(__file__).resolve().parent.parent


def parse(name: str, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of `python -m NAME`: output, quick, readme, strict.

    With `--one-core`, binds this process, and those that it starts, to one core.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {name}")
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: docs/benchmarks")
    parser.add_argument("--quick", action="store_true", help="a short run; figures mean little")
    parser.add_argument("--readme", action="store_true", help="write the result into docs/speed.md")
    parser.add_argument("--one-core", action="store_true", help="run all processes on one core")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a target is missed")
    options = parser.parse_args(arguments)
    if options.quick and options.readme:
        parser.error("--quick figures are not for the documentation")
    if options.quick and options.output is None:
        parser.error("--quick needs an --output: its figures are not for the repository")
    if options.one_core and not hasattr(os, "sched_setaffinity"):
        parser.error("this system does not bind processes to cores")
    if options.one_core:
        # This measures only the work of all sides, without the time in which one core wakes
        # another, 100 µs for a round trip on some machines.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    options.output = options.output or ROOT / "docs" / "benchmarks"
    options.output.mkdir(parents=True, exist_ok=True)
    return options


def loops() -> list[str]:
    """Return the names of the event loops that are installed."""
    return [loop for loop in LOOPS if importlib.util.find_spec(loop)]


def load_average() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def conclude(comparisons: Iterable[Comparison], *, strict: bool) -> int:
    """Print which targets were missed without a known reason, and return the exit status."""
    missed = [each.name for each in comparisons if each.missed and not each.reason]
    if missed:
        print(f"\nMISSED: {'; '.join(missed)}")
    return 1 if missed and strict else 0
