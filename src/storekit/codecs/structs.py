"""The base of the codecs that use msgspec."""

# ruff: noqa: ANN401 - msgspec describes its types at run time

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from storekit._extras import require
from storekit.errors import CodecError

__all__ = ["Structured", "need_msgspec"]

T = TypeVar("T")

_HARMLESS = re.compile(
    r"Expected |Object missing required |Input data was truncated|"
    r"(JSON|MessagePack data) is malformed|(Integer value|Number) out of range"
)
"""Beginnings of the messages of msgspec that quote nothing of the content."""

_PLACE = re.compile(r" - at `[^`]*`\Z")


class Structured(Generic[T]):
    """A codec around an encoder and a decoder of msgspec, made once."""

    name: str
    content_type: str
    packages: tuple[str, ...] = ()  # to load on first use

    def _use(self, encoder: Any, decoder: Any, kind: Any) -> None:
        self._encode: Callable[[object], bytes] = encoder.encode
        self._decode: Callable[[bytes | memoryview], T] = decoder.decode
        self._type = kind
        # A type without fields may take values of other classes: an int for a float.
        self._class: type | None = kind if _has_fields(kind) else None

    def encode(self, value: T, /) -> bytes:
        """Return a value as bytes. `TypeError` or `ValueError` if it can't be encoded."""
        if self._class is not None and not isinstance(value, self._class):
            raise TypeError(
                f"the codec {self.name} is for {self._class.__name__}, not {type(value).__name__}"
            )
        try:
            data = self._encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                f"the codec {self.name} can't write a value of type {type(value).__name__}: {error}"
            ) from error
        if self._type is not Any:
            self._check_readable(data, type(value))
        return data

    def _check_readable(self, data: bytes, kind: type) -> None:
        """Raise `TypeError` for what could not be read back: msgspec encodes without checks."""
        try:
            self._decode(data)
        except Exception as error:  # constructors of the caller's classes may raise anything
            raise TypeError(
                f"the codec {self.name} can't write this value of type {kind.__name__}, which "
                f"could not be read back: {_explain(error)}"
            ) from error

    def decode(self, data: bytes | memoryview, /) -> T:
        """Return the value. Raises `CodecError` if the content is damaged or of another type."""
        try:
            return self._decode(data)
        except Exception as error:  # constructors of the caller's classes may raise anything
            raise CodecError(_explain(error), codec=self.name) from error

    def __repr__(self) -> str:
        of = "" if self._type is Any else getattr(self._type, "__name__", repr(self._type))
        return f"{type(self).__name__}({of})"


def need_msgspec(codec: str) -> None:
    """Raise `ModuleNotFoundError` that says what to install if msgspec is missing."""
    require(f"the codec {codec}", "msgspec", "msgspec")


def _has_fields(kind: Any) -> bool:
    return isinstance(kind, type) and (
        dataclasses.is_dataclass(kind) or hasattr(kind, "__struct_fields__")
    )


def _explain(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the content is nested too deeply"
    text = str(error)
    if type(error).__module__.partition(".")[0] == "msgspec":
        if _HARMLESS.match(text):
            return f"the content does not fit: {text}"
        if place := _PLACE.search(text):
            return f"the content does not fit{place[0]}"
    return f"the content does not fit ({type(error).__name__})"
