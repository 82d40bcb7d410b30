"""Async Python SDK for QuasarDB and QCache."""
