# Generated from src/storekit/qdb/_async/conversion.py by tools/generate_sync.py; do not edit.

"""How aliases and values go into the store and come out of it."""

# ruff: noqa: ANN401 - values may be anything

from collections.abc import Callable
from typing import Any, Generic

from storekit.codecs.base import Codec, decode_value, encode_value
from storekit.core.seam._sync import call_blocking
from storekit.qdb._sync.base import BaseClient
from storekit.qdb.arguments import GET, check_alias, check_content, check_integer, check_writable
from storekit.qdb.contents import LARGE, NEVER_LARGE, STORED, check_comparable, is_large, takes_long
from storekit.qdb.engine import MAX_ALIAS, Session
from storekit.qdb.errors import QuasardbException
from storekit.qdb.values import Expiry, to_milliseconds
from storekit.qdb.variables import Alias, Data, Found, Value

__all__ = ["Aliases", "Conversion"]


class Aliases(BaseClient, Generic[Alias, Found]):
    """The way of aliases into the store and out of it: as text, unless a client has others."""

    def _to_text(self, alias: object) -> str:
        return check_alias(alias)

    def _from_text(self, text: str) -> Any:
        return text

    def _alias(self, operation: str, alias: object, *, writes: bool = False) -> str:
        # Most aliases need no more than this: what comes after "/" is neither empty nor starts
        # with a dot, or with what marks aliases that stand for other objects.
        if (
            type(alias) is str
            and alias > "/"
            and len(alias) <= MAX_ALIAS
            and alias.isascii()
            and "\0" not in alias
        ):
            return alias
        try:
            text = self._to_text(alias)
            return check_writable(text) if writes and text[0] == "." else text
        except QuasardbException as error:
            error.operation = operation
            raise

    def _part(self, operation: str, part: object) -> str:
        """Return a prefix or suffix, which is text in every client."""
        try:
            return check_alias(part)
        except QuasardbException as error:
            error.operation = operation
            raise

    def _aliases(self, found: list[str]) -> list[Found]:
        return [self._from_text(text) for text in found]

    def _write(self, operation: str, alias: object, expiry_time: Expiry) -> tuple[str, int]:
        text = self._alias(operation, alias, writes=True)
        if expiry_time is None:
            return text, 0
        return text, to_milliseconds(expiry_time, self._clock(), operation)

    def _write_integer(
        self, operation: str, alias: object, value: object, expiry_time: Expiry
    ) -> tuple[str, int, int]:
        text = self._alias(operation, alias, writes=True)
        return text, check_integer(value), to_milliseconds(expiry_time, self._clock(), operation)

    def _tag(
        self, operation: str, alias: object, tag: object, *, writes: bool = True
    ) -> tuple[str, str]:
        text = self._alias(operation, alias, writes=writes)
        return text, self._alias(operation, tag, writes=writes)

    def _batch_alias(self, alias: object) -> str:
        # The engine refuses a malformed one by its own result.
        return alias if isinstance(alias, str) else self._to_text(alias)


class Conversion(Aliases[Alias, Found], Generic[Alias, Found, Data, Value]):
    """The way of values: by the codec of the client, or by that of a call."""

    _codec: Codec[Any] = STORED

    def _chosen(self, codec: Codec[Any] | str | None) -> Codec[Any]:
        """Return the codec of a call. `TypeError`, `ValueError` if there is no such codec."""
        return self._codec if codec is None else self._registry.get(codec)

    def _comparing(self, operation: str, codec: Codec[Any] | str | None) -> Codec[Any]:
        chosen = self._chosen(codec)
        check_comparable(chosen, operation)
        return chosen

    def _encode(self, codec: Codec[Any], value: object) -> bytes:
        if codec is STORED:  # which has nothing to add, and should take no time for it
            return check_content(value)
        if type(value) not in NEVER_LARGE and is_large(value) and takes_long(codec):
            return call_blocking(encode_value, codec, value)
        return encode_value(codec, value)

    def _decode(self, codec: Codec[Any], text: str, content: bytes | memoryview) -> Any:
        if codec is STORED:
            return content if type(content) is bytes else bytes(content)
        if len(content) >= LARGE and takes_long(codec):
            return call_blocking(decode_value, codec, content, text)
        return decode_value(codec, content, text)

    def _watched_get(self, text: str, codec: Codec[Any]) -> Any:
        """Return the value of an entry; to observers, one that can't be read is a failure."""
        until = self._until()

        def get() -> Any:
            content = self._workers.call_joint(GET, text, until=until)
            return self._decode(codec, text, content)

        return self._watched(get, "get", text, until, reads=True)

    def _exchange(
        self,
        operation: str,
        text: str,
        function: Callable[[Session], bytes | memoryview],
        codec: Codec[Any],
    ) -> Any:
        """Make a call that writes, and return the value that was there, as `_watched_get` does."""
        if not self._observers:
            return self._decode(codec, text, self._call(operation, text, function))
        until = self._until()

        def exchange() -> Any:
            content = self._workers.call(function, until=until)
            return self._decode(codec, text, content)

        return self._watched(exchange, operation, text, until, reads=False)
