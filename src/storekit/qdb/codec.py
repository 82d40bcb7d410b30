"""The codecs of clients: pickles, or bytes as they are; what of them belongs into a thread."""

# ruff: noqa: ANN401 - pickles hold anything

import base64
import io
import pickle
from ast import literal_eval
from collections.abc import Callable
from typing import Any

from storekit.codecs.base import Codec, is_deterministic
from storekit.codecs.pickle import Allowed, ClassNotAllowed, Pickle, UnreadableValue
from storekit.codecs.raw import Raw
from storekit.qdb.arguments import check_content

__all__ = [
    "DEFAULT_PICKLER",
    "ESCAPE",
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

ESCAPE = "\x10"
"""Starts every alias that stands for something else than itself (DLE, "data link escape")."""


class ValuePickler(Pickle):
    """Pickles and unpickles the values and aliases of one client.

    `allow` adds to what decoding lets in, and `trust_pickle` lets in everything, as in
    `Pickle`.
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

    def dump_alias(self, alias: object) -> str:
        """Return an alias as text: text as it is, anything else in a form that reads back.

        Equal numbers, bytes, and tuples of these are equal text. Of other objects, the
        pickles must be equal, which those of sets are not.

        Raises `TypeError` if the object can't be pickled.
        """
        if isinstance(alias, str):
            return ESCAPE + alias if alias.startswith(ESCAPE) else str(alias)
        if _is_literal(alias):
            return f"{ESCAPE}={alias!r}"
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, PROTOCOL)
        pickler.fast = True  # no memo: whether two parts are one object must not matter
        try:
            pickler.dump(alias)
        except Exception as error:
            raise TypeError(
                f"an alias of type {type(alias).__name__} can't be pickled: {error}"
            ) from error
        return f"{ESCAPE}p{base64.urlsafe_b64encode(buffer.getvalue()).decode()}"

    def load_alias(self, text: str) -> Any:
        """Return the object that an alias stands for; text that stands for none as it is."""
        if not text.startswith(ESCAPE):
            return text
        mark, rest = text[1:2], text[2:]
        if mark == ESCAPE:
            return text[1:]
        try:
            if mark == "=":
                value = literal_eval(rest)
            elif mark == "p":
                value = self.load(base64.b64decode(rest, altchars=b"-_", validate=True))
            else:
                return text
        except (SyntaxError, ValueError, RecursionError, MemoryError, UnreadableValue):
            return text
        return value


def _is_literal(value: object) -> bool:
    if type(value) is tuple:
        return all(type(item) is str or _is_literal(item) for item in value)
    if type(value) is float:
        return value - value == 0  # neither infinite nor no number
    return value is None or type(value) in (int, bool, bytes)


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
