"""The codecs of clients: pickles, or bytes as they are; what of them belongs into a thread."""

# ruff: noqa: ANN401 - pickles hold anything

from collections.abc import Callable
from typing import Any

from storekit.codecs.base import Codec, is_deterministic
from storekit.codecs.pickle import Allowed, ClassNotAllowed, Pickle, UnreadableValue
from storekit.codecs.raw import Raw
from storekit.codecs.unpickling import import_named
from storekit.qdb.arguments import check_content

__all__ = [
    "DEFAULT_PICKLER",
    "LARGE",
    "NEVER_LARGE",
    "PROTOCOL",
    "STORED",
    "Allowed",
    "ClassNotAllowed",
    "UnreadableValue",
    "ValuePickler",
    "check_comparable",
    "is_large",
    "takes_long",
]

PROTOCOL = 2
"""The protocol of what is written. Compare-and-swap compares pickles, so it must be the same
in every client and on every Python; 2 is the newest that every client there has been reads."""

_OLD_MODULES = ("qdb", "quasardb")
_HOME = "storekit.qdb"
"""What pickles of the 1.x client have by another name, and where it is now."""


class ValuePickler(Pickle):
    """Pickles and unpickles the values of one client.

    `allow` adds to what decoding lets in, and `trust_pickle` lets in everything, as in
    `Pickle`. Classes of this package are also read by the names that they had in the 1.x client.
    """

    def __init__(
        self, allow: Allowed = (), *, trust_pickle: bool = False, protocol: int = PROTOCOL
    ) -> None:
        super().__init__(allow, trust=trust_pickle, protocol=protocol)

    def dump(self, value: object) -> bytes:
        """Return the pickle of a value. Raises `TypeError` if there is none."""
        return self.encode(value)

    def load(self, content: bytes | bytearray | memoryview) -> Any:
        """Return the value of a pickle. Raises `UnreadableValue`, `ClassNotAllowed`."""
        return self.decode(content)

    def _find(self, module: str, name: str) -> Any:
        if module.partition(".")[0] in _OLD_MODULES:
            for (home, known), found in self._allowed.items():
                if known == name and home.startswith(_HOME):
                    return found
            if f"{module}.{name}" in self._allowed_names:
                return import_named(_HOME, name)
        return super()._find(module, name)


DEFAULT_PICKLER = ValuePickler()
"""Lets in plain data and the standard value types."""


LARGE = 256 * 1024
"""Content of so many bytes and up is turned into values in a thread, and back: that may take
a millisecond or more."""


class _Stored(Raw):
    """Bytes as they are, and text as UTF-8."""

    def encode(self, value: object, /) -> bytes:
        return check_content(value)


STORED = _Stored()


def takes_long(codec: Codec[Any]) -> bool:
    """Tell whether large content is better left to a thread: a mere copy is not."""
    return not isinstance(codec, Raw)


def is_large(value: object) -> bool:
    """Tell whether a value is text, bytes-like or a table that certainly is large.

    The sizes of other objects are not guessed.
    """
    kind = type(value)
    size = _SIZES.get(kind) or _SIZES_BY_NAME.get((kind.__module__, kind.__name__))
    return size is not None and bool(size(value) >= LARGE)


NEVER_LARGE = frozenset({bool, dict, float, int, list, set, tuple, type(None)})
"""Types of values whose sizes nobody tells. To ask for one of these takes the least time."""

_SIZES: dict[type, Callable[[Any], int]] = {
    bytes: len,
    str: len,
    bytearray: len,
    memoryview: lambda view: view.nbytes,
}
_SIZES_BY_NAME: dict[tuple[str, str], Callable[[Any], int]] = {
    ("numpy", "ndarray"): lambda array: array.nbytes,
    ("pyarrow.lib", "Table"): lambda table: table.nbytes,
    ("polars.dataframe.frame", "DataFrame"): lambda frame: frame.estimated_size(),
    # At least that: to count what its objects take would take long itself.
    ("pandas.core.frame", "DataFrame"): lambda frame: frame.memory_usage().sum(),
    ("pandas", "DataFrame"): lambda frame: frame.memory_usage().sum(),  # from pandas 3 on
}
"""By name, for none of these packages need be installed."""


def check_comparable(codec: Codec[Any], operation: str) -> None:
    """Raise `ValueError` for a codec whose bytes differ each time, so that none ever match."""
    if not is_deterministic(codec):
        raise ValueError(
            f"{operation} compares stored bytes, and the codec {codec.name} makes other bytes "
            "each time, so that none would ever match; use one that does not encrypt"
        )
