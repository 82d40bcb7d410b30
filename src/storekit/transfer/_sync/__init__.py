# Generated from src/storekit/transfer/_async/__init__.py by tools/generate_sync.py; do not edit.

"""Transfers as they are written; the other tree of the same layout is generated from this one."""
