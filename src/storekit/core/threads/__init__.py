"""Makes blocking calls with sessions, each of which is used by one caller at a time.

`_async` and `_sync` define the same names with the same meaning, and are written by hand, like the
modules of `core.seam`: the async side has threads with queues, the sync side makes plain calls. On
the async side, `pool` has the threads, and `bridge` the calls that tasks wait for.
"""
