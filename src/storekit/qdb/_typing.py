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
"""What an alias is given as."""
Found = TypeVar("Found")
"""What an alias comes back as."""
Data = TypeVar("Data")
"""What content is given as."""
Other = TypeVar("Other")
"""The values of a codec that a single call is given."""
Default = TypeVar("Default")
"""What a call gives instead of a value that is not there."""


class Missing(Enum):
    """The default of a default."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

if TYPE_CHECKING:
    # Type checkers know it without the package. A plain `Client` is one of any values.
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
    """What has pairs as a dict has: unlike that of a `Mapping`, the type of keys may be wider."""

    def items(self) -> Iterable[tuple[Key_co, Value_co]]:
        """Return the pairs of key and value."""


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of the raw client, where they are described."""

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
