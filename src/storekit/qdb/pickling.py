"""What the pickling client stores: values as plain pickles, aliases as text."""

# ruff: noqa: ANN401 - pickles hold anything

import base64
import io
import pickle
from ast import literal_eval
from typing import Any

from storekit.codecs.pickle import Allowed, ClassNotAllowed, Pickle, UnreadableValue

__all__ = [
    "DEFAULT_PICKLER",
    "ESCAPE",
    "PROTOCOL",
    "Allowed",
    "ClassNotAllowed",
    "UnreadableValue",
    "ValuePickler",
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
