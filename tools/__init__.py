"""Tools for working on storekit; none of this is installed with it."""
