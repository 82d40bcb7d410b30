"""Packages that codecs import on first use. Some take a second, which would block an event loop.

Such a codec has their names in `packages`. Clients call it in a thread until they are loaded.
"""

import sys
from typing import Any

__all__ = ["is_loaded", "packages_of"]


def packages_of(codec: object) -> tuple[str, ...]:
    """Return the packages that a codec imports on first use."""
    packages: tuple[str, ...] = getattr(codec, "packages", ())
    return packages


def is_loaded(codec: Any) -> bool:  # noqa: ANN401 - a codec of values or of tables
    """Return whether all packages that a codec imports on first use are loaded."""
    packages = getattr(codec, "packages", None)
    return not packages or all(map(_is_imported, packages))


def _is_imported(package: str) -> bool:
    module = sys.modules.get(package)
    # While another thread is importing it, an import in this one would wait.
    return module is not None and not getattr(module.__spec__, "_initializing", False)
