# Generated from tests/transfer/_async/__init__.py by tools/generate_sync.py; do not edit.

"""Tests that run async and sync; the other tree of the same layout is generated from this one."""
