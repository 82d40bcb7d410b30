"""The codecs of clients, pickles or raw bytes, and which values are converted in a thread."""

# ruff: noqa: ANN401 - pickles hold anything

from typing import Any

from storekit.codecs.base import Codec, is_deterministic
from storekit.codecs.loading import is_loaded
from storekit.codecs.pickle import Allowed, ClassNotAllowed, Pickle, UnreadableValue
from storekit.codecs.raw import Raw
from storekit.codecs.sizes import LARGE, is_large, unpacks
from storekit.codecs.unpickling import import_named
from storekit.qdb.arguments import check_content

__all__ = [
    "DEFAULT_PICKLER",
    "MANY",
    "PROTOCOL",
    "STORED",
    "Allowed",
    "ClassNotAllowed",
    "UnreadableValue",
    "ValuePickler",
    "check_comparable",
    "takes_long_to_decode",
    "takes_long_to_encode",
]

PROTOCOL = 2
"""The pickle protocol of stored values. Compare-and-swap compares pickles, so it must be the same
in every client and on every Python; 2 is the newest that all clients, also of 1.x, can read."""

_OLD_MODULES = ("qdb", "quasardb")
_HOME = "storekit.qdb"
"""The package that has the classes which pickles of the 1.x client look for in `_OLD_MODULES`."""


class ValuePickler(Pickle):
    """Pickles and unpickles the values of one client.

    `allow` names further classes that decoding accepts; `trust_pickle` accepts all, as in
    `Pickle`. Classes of this package are also found by the names that they had in the 1.x client.
    """

    def __init__(
        self, allow: Allowed = (), *, trust_pickle: bool = False, protocol: int = PROTOCOL
    ) -> None:
        super().__init__(allow, trust=trust_pickle, protocol=protocol)

    def dump(self, value: object) -> bytes:
        """Return the pickle of a value. Raises `TypeError` if it could not be read back."""
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
"""Accepts plain data and the standard value types."""


class _Stored(Raw):
    """Stores bytes unchanged, and text as UTF-8."""

    def encode(self, value: object, /) -> bytes:
        return check_content(value)


STORED = _Stored()


def takes_long_to_encode(codec: Codec[Any], value: object) -> bool:
    """Return whether a value should be encoded in a thread."""
    if getattr(codec, "packages", None) and not is_loaded(codec):
        return True  # the first use imports them
    # Raw content is only copied, which is quick whatever its size.
    return type(value) not in _SMALL and not isinstance(codec, Raw) and is_large(value)


def takes_long_to_decode(codec: Codec[Any], size: int) -> bool:
    """Return whether `size` bytes should be decoded in a thread."""
    if getattr(codec, "packages", None) and not is_loaded(codec):
        return True
    if size < _UNPACKED_AT_ONCE or isinstance(codec, Raw):
        return False
    return size >= LARGE or unpacks(codec)


_SMALL = frozenset({bool, float, type(None)})
"""Types whose values are always small."""

_UNPACKED_AT_ONCE = 1024
"""Below so many bytes, content is unpacked without a thread; it may grow to a few 100 000."""

MANY = 500
"""A batch of so many requests or more is translated in a thread."""


def check_comparable(codec: Codec[Any], operation: str) -> None:
    """Raise `ValueError` for a codec that encodes a value differently each time."""
    if not is_deterministic(codec):
        raise ValueError(
            f"{operation} compares stored bytes, and the codec {codec.name} makes different bytes "
            "each time, so they would never match; use a codec that does not encrypt"
        )
