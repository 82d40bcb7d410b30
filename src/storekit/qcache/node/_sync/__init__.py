# Generated from src/storekit/qcache/node/_async/__init__.py by tools/generate_sync.py; do not edit.

"""The hand-written modules, from which the other tree of the same layout is generated."""
