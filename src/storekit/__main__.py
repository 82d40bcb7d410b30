"""`python -m storekit` runs the command line."""

import sys

from storekit.cli import main

if __name__ == "__main__":
    sys.exit(main())
