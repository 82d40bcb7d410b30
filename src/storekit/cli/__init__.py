"""The command line `storekit` for both stores. It needs `storekit[cli]`.

Modules are imported late: `storekit --help` loads neither a client nor an event loop.
"""

import sys
from collections.abc import Sequence

from storekit._extras import require

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of the process; return the exit code."""
    try:
        require("the command storekit", "cli", "click")
    except ModuleNotFoundError as error:
        print(f"storekit: error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    from storekit.cli.application import run  # noqa: PLC0415 - click may be missing

    return run(sys.argv[1:] if arguments is None else [*arguments])
