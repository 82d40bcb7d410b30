"""`python -m storekit`: the command."""

import sys

from storekit.cli import main

if __name__ == "__main__":
    sys.exit(main())
