"""Run programs that each show one fault, and say which find it still there.

    python tools/run_faults.py DIRECTORY [--but NAME ...]

A program exits 0 if the fault is mended, 1 while it is there, 2 where it can't be run. It may do
so in a second run, too: some measure time, on a machine that does other things. `--but` names
programs whose end does not count.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LONGEST = 300.0
"""Seconds for one program."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--but", action="append", default=[], metavar="NAME")
    options = parser.parse_args(arguments)
    programs = sorted(options.directory.glob("*.py"))
    if not programs:
        parser.error(f"{options.directory} has no programs")
    # Where this was started with interrupts ignored, the programs would not see theirs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = [path.name for path in programs if not (_is_mended(path) or _is_mended(path))]
    there = [name for name in found if name not in options.but]
    print(f"{len(programs) - len(found)} passed, {len(there)} failed")
    if there:
        print("still there:", *there, sep="\n  ")
    return 1 if there else 0


def _is_mended(program: Path) -> bool:
    try:
        done = subprocess.run(
            [sys.executable, program],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        print(f"{program.name}: no end after {LONGEST:.0f} s")
        return False
    if done.returncode == 0:
        return True
    print(f"{program.name}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return False


if __name__ == "__main__":
    sys.exit(main())
