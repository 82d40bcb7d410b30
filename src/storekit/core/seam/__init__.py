"""All that differs between the async and the sync half of the library.

`_async` and `_sync` define the same names with the same meaning, and are written by hand, like the
two modules in `sockets`. All other async code uses these names, and `tools/generate_sync.py` makes
its sync twin. Only this package and `core.threads` call asyncio or trio.
"""
