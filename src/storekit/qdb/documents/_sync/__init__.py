# Generated from src/storekit/qdb/documents/_async/__init__.py by tools/generate_sync.py; do not edit.

"""The clients as they are written; the other tree of the same layout is generated from this one."""
