"""All that differs between the async and the sync half of the library.

`_async` and `_sync` hold the same names with the same meaning, written by hand, as those in
`sockets` do. All else is written once, against these names, and `tools/generate_sync.py` makes
the sync twin. Nothing else but `core.threads` calls asyncio or trio.
"""
