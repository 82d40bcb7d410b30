"""Benchmarks of storekit against other clients and servers: `nox -s bench`."""
