# Generated from src/storekit/qcache/node/_async/__init__.py by tools/generate_sync.py; do not edit.

"""How clients in this process reach a node; the other tree is generated from this one."""
