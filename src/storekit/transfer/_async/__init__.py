"""Transfers as they are written; the other tree of the same layout is generated from this one."""
