"""Packages that come with an extra of storekit, and what to install where one is missing."""

import sys
from importlib import import_module
from importlib.util import find_spec

__all__ = ["is_installed", "require", "require_installed"]


def require(needed_by: str, extra: str, *modules: str) -> None:
    """Import the modules that something stands on.

    Raises `ModuleNotFoundError` that names the extra which brings all of them, if one is not
    there, or lacks what it needs itself.
    """
    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise _missing(needed_by, extra, error.name or module) from error


def require_installed(needed_by: str, extra: str, *modules: str) -> None:
    """Raise the same if a module is not there, without loading it: that may take a second."""
    for module in modules:
        if not is_installed(module):
            raise _missing(needed_by, extra, module)


def is_installed(module: str) -> bool:
    """Return whether a module can be loaded, without doing so."""
    try:
        return sys.modules.get(module) is not None or find_spec(module) is not None
    except ModuleNotFoundError:  # of what it is a part of
        return False


def _missing(needed_by: str, extra: str, module: str) -> ModuleNotFoundError:
    package = module.partition(".")[0]
    return ModuleNotFoundError(
        f"{needed_by} needs the package {package}: pip install 'storekit[{extra}]'", name=package
    )
