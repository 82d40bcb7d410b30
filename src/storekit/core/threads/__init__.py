"""Carries calls that block to sessions that serve one caller at a time.

`_async` and `_sync` hold the same names with the same meaning, written by hand, like the
modules of `core.seam`: threads with a queue on one side, plain calls on the other.
"""
