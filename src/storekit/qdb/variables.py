"""The type variables of the clients: what aliases and contents are given as, and come back as."""

from typing import TYPE_CHECKING, TypeVar

__all__ = ["Alias", "Data", "Found", "Other", "T", "Value"]

Alias = TypeVar("Alias")
"""What an alias is given as."""
Found = TypeVar("Found")
"""What an alias comes back as."""
Data = TypeVar("Data")
"""What content is given as."""
Other = TypeVar("Other")
"""The values of a codec that a single call is given."""

if TYPE_CHECKING:
    # Type checkers know it without the package. A plain `Client` is one of any values.
    from typing import Any

    from typing_extensions import TypeVar as TypeVarWithDefault

    T = TypeVarWithDefault("T", default=Any)
    Value = TypeVarWithDefault("Value", default=Any)
else:
    T = TypeVar("T")
    Value = TypeVar("Value")
