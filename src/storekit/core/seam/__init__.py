"""The one seam between the async and the sync world.

`_async` and `_sync` hold the same names with the same meaning, written by hand. All else
is written once, against these names, and `tools/generate_sync.py` makes the sync twin.
Nothing else calls asyncio or trio.
"""
