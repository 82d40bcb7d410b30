"""Checks that the packages of an extra are installed; the errors say what to install."""

import sys
from importlib import import_module
from importlib.util import find_spec

__all__ = ["is_installed", "require", "require_installed"]


def require(needed_by: str, extra: str, *modules: str) -> None:
    """Import modules that something needs.

    Raises `ModuleNotFoundError` that names the extra to install, if one of them or of their own
    dependencies is missing.
    """
    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise _missing(needed_by, extra, error.name or module) from error


def require_installed(needed_by: str, extra: str, *modules: str) -> None:
    """Raise as `require` if a module is missing, but without importing it, which may be slow."""
    for module in modules:
        if not is_installed(module):
            raise _missing(needed_by, extra, module)


def is_installed(module: str) -> bool:
    """Return whether a module is installed, without importing it."""
    try:
        return sys.modules.get(module) is not None or find_spec(module) is not None
    except ModuleNotFoundError:  # raised for its parent package
        return False


def _missing(needed_by: str, extra: str, module: str) -> ModuleNotFoundError:
    package = module.partition(".")[0]
    return ModuleNotFoundError(
        f"{needed_by} needs the package {package}: pip install 'storekit[{extra}]'", name=package
    )
