"""Packages that codecs load on first use: some take a second, in which an event loop stands still.

A codec that loads such packages has their names as `packages`. Clients call it in a thread until
they are there.
"""

import sys
from typing import Any

__all__ = ["is_loaded", "packages_of"]


def packages_of(codec: object) -> tuple[str, ...]:
    """Return the packages that a codec loads on first use."""
    packages: tuple[str, ...] = getattr(codec, "packages", ())
    return packages


def is_loaded(codec: Any) -> bool:  # noqa: ANN401 - a codec of values or of tables
    """Return whether all that a codec loads on first use is there."""
    packages = getattr(codec, "packages", None)
    return not packages or all(map(_is_there, packages))


def _is_there(package: str) -> bool:
    module = sys.modules.get(package)
    # Where another thread is about to load it, an import would wait for that.
    return module is not None and not getattr(module.__spec__, "_initializing", False)
