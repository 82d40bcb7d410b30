"""Types that the clients share: type variables, content, keyword arguments."""

import os
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, TypedDict, TypeVar, runtime_checkable

from storekit.codecs.registry import CodecRegistry
from storekit.observers import Observer
from storekit.options import PoolLimits, RetryPolicy
from storekit.qdb.engine import Buffer, Engine, SessionOptions

__all__ = [
    "MISSING",
    "Alias",
    "ClientOptions",
    "Content",
    "Data",
    "Default",
    "Found",
    "Items",
    "Missing",
    "Other",
    "T",
    "Value",
]

Content = Buffer | str
"""What raw clients store: bytes-like, or text, which becomes UTF-8."""

Alias = TypeVar("Alias")
"""The type of aliases in arguments."""
Found = TypeVar("Found")
"""The type of aliases in results."""
Data = TypeVar("Data")
"""The type of values in arguments."""
Other = TypeVar("Other")
"""The type of the values of a codec that is passed to a single call."""
Default = TypeVar("Default")
"""The type of what a call returns if there is no entry."""


class Missing(Enum):
    """The type of `MISSING`, which stands for an argument that was not passed."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

if TYPE_CHECKING:
    # Type checkers need no installed package for this. A plain `Client` is a `Client[Any]`.
    from typing import Any

    from typing_extensions import TypeVar as TypeVarWithDefault

    T = TypeVarWithDefault("T", default=Any)
    Value = TypeVarWithDefault("Value", default=Any)
else:
    T = TypeVar("T")
    Value = TypeVar("Value")


Key_co = TypeVar("Key_co", covariant=True)
Value_co = TypeVar("Value_co", covariant=True)


@runtime_checkable
class Items(Protocol[Key_co, Value_co]):
    """An object with `items()`, such as a dict. Unlike those of `Mapping`, keys are covariant."""

    def items(self) -> Iterable[tuple[Key_co, Value_co]]:
        """Return the pairs of key and value."""


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of clients, which the raw client describes."""

    timeout: float | None
    connect_timeout: float | None
    limits: PoolLimits | None
    retry: RetryPolicy | None
    options: SessionOptions | None
    library: str | os.PathLike[str] | None
    observers: Iterable[Observer]
    registry: CodecRegistry | None
    engine: Engine | None
    clock: Callable[[], float]
