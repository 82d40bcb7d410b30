"""Packages that come with an extra of storekit, and what to install where one is missing."""

from importlib import import_module

__all__ = ["require"]


def require(needed_by: str, extra: str, *modules: str) -> None:
    """Import the modules that something stands on.

    Raises `ModuleNotFoundError` that names the extra which brings all of them, if one is not
    there, or lacks what it needs itself.
    """
    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            missing = (error.name or module).partition(".")[0]
            raise ModuleNotFoundError(
                f"{needed_by} needs the package {missing}: pip install 'storekit[{extra}]'",
                name=missing,
            ) from error
