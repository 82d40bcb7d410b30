"""How fast storekit is, side by side with other clients: `nox -s bench`."""
