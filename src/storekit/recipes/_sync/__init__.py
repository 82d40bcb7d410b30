# Generated from src/storekit/recipes/_async/__init__.py by tools/generate_sync.py; do not edit.

"""Recipes as they are written; the other tree of the same layout is generated from this one."""
