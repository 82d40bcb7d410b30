"""The codecs of clients: pickles, or bytes as they are; what of them belongs into a thread."""

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


class _Stored(Raw):
    """Bytes as they are, and text as UTF-8."""

    def encode(self, value: object, /) -> bytes:
        return check_content(value)


STORED = _Stored()


def takes_long_to_encode(codec: Codec[Any], value: object) -> bool:
    """Tell whether encoding a value is better left to a thread."""
    # Bytes and text that are stored as they are take a copy, whatever their size.
    if getattr(codec, "packages", None) and not is_loaded(codec):
        return True
    return type(value) not in _SMALL and not isinstance(codec, Raw) and is_large(value)


def takes_long_to_decode(codec: Codec[Any], size: int) -> bool:
    """Tell whether decoding so many bytes is better left to a thread."""
    if getattr(codec, "packages", None) and not is_loaded(codec):
        return True
    if size < _UNPACKED_AT_ONCE or isinstance(codec, Raw):
        return False
    return size >= LARGE or unpacks(codec)


_SMALL = frozenset({bool, float, type(None)})
"""Types of values that need not be looked at."""

_UNPACKED_AT_ONCE = 1024
"""Bytes that may become a few hundred thousand when they are unpacked."""

MANY = 500
"""Requests of a batch. So many, and more, are translated in a thread."""


def check_comparable(codec: Codec[Any], operation: str) -> None:
    """Raise `ValueError` for a codec whose bytes differ each time, so that none ever match."""
    if not is_deterministic(codec):
        raise ValueError(
            f"{operation} compares stored bytes, and the codec {codec.name} makes other bytes "
            "each time, so that none would ever match; use one that does not encrypt"
        )
