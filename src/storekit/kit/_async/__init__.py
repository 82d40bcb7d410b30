"""The kit as it is written; the other tree of the same layout is generated from this one."""
