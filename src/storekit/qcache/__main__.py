"""`python -m storekit.qcache serve`: a QCache node on a port."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from storekit.qcache.node import command

__all__ = ["main"]

_PROG = "python -m storekit.qcache"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 2 if the server cannot start."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog=_PROG, description="A QCache node.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"storekit {version('storekit')}")
    parser.add_argument("command", choices=("serve",), help="serve a node over HTTP")
    parser.parse_args(given[:1])  # the rest are options of the command
    return command.main(given[1:], f"{_PROG} serve")


if __name__ == "__main__":
    sys.exit(main())
