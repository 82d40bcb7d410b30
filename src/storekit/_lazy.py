"""Names of a package whose modules are imported when a name is first used."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

__all__ = ["lazy_names"]


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package.

    `homes` maps each name to the module that defines it, relative to the package; if the name there
    is different, it follows after a colon, as in `._sync.connecting:connect`. Type checkers read
    imports under `TYPE_CHECKING`, and must not see the call:

        if TYPE_CHECKING:
            from storekit.kit._sync.kit import StoreKit
        else:
            __getattr__, __dir__ = lazy_names(__name__, {"StoreKit": "._sync.kit"})
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = homes[name].partition(":")
        value = getattr(import_module(module, package), attribute or name)
        setattr(sys.modules[package], name, value)  # so that __getattr__ is not called again
        return value

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return load, list_names
