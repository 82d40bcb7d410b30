"""Carries calls that block to sessions that serve one caller at a time.

`_async` and `_sync` hold the same names with the same meaning, written by hand, like the
modules of `core.seam`: threads with queues on one side, plain calls on the other. On the
async side, `pool` has the threads, `bridge` what waits on an event loop.
"""
