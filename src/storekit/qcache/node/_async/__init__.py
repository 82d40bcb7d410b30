"""The hand-written modules, from which the other tree of the same layout is generated."""
