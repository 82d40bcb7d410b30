"""Conversion of the aliases and values of a client into those of the store, and back."""

# ruff: noqa: ANN401 - values may be anything

from collections.abc import Iterable
from typing import Any

from storekit.codecs.base import Codec, decode_value, encode_value
from storekit.codecs.plain import as_text
from storekit.codecs.registry import CodecRegistry
from storekit.core.seam._async import HAS_EVENT_LOOP, call_blocking
from storekit.qdb.aliases import ESCAPE, dump_alias, load_alias
from storekit.qdb.arguments import check_alias, check_content, check_writable
from storekit.qdb.codec import (
    STORED,
    check_comparable,
    takes_long_to_decode,
    takes_long_to_encode,
)
from storekit.qdb.engine import MAX_ALIAS
from storekit.qdb.errors import QuasardbException
from storekit.qdb.methods import Method, operation_of

__all__ = ["AsyncConversion"]


class AsyncConversion:
    """Converts aliases to text and back, and values to content and back.

    Values are converted by the codec of the client, or of a single call. Aliases are text; with
    `any_alias`, objects that have a textual form, too; with `pickled_aliases`, all objects.
    """

    def __init__(
        self,
        codec: Codec[Any],
        registry: CodecRegistry,
        *,
        any_alias: bool = False,
        pickled_aliases: Codec[Any] | None = None,
    ) -> None:
        self.codec = codec
        self._registry = registry
        self._any_alias = any_alias
        self._pickled_aliases = pickled_aliases

    # Aliases

    def alias(self, method: Method, alias: object, *, writes: bool = False) -> str:
        """Return an alias as text that the store accepts; errors name the operation."""
        # Most aliases need no other check: one that sorts after "/" is not empty, and starts
        # neither with a dot nor with ESCAPE.
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
            error.operation = operation_of(method)
            raise

    def part(self, method: Method, part: object) -> str:
        """Return a prefix or suffix, which is text in every client."""
        try:
            return check_alias(part)
        except QuasardbException as error:
            error.operation = operation_of(method)
            raise

    def batch_alias(self, alias: object) -> str:
        """Return the alias of a request as text. The engine refuses a malformed one."""
        if self._any_alias:
            return dump_alias(alias, self._pickled_aliases)
        return as_text(alias) if isinstance(alias, str) else check_alias(alias)

    def found(self, text: str) -> Any:
        """Return the object of an alias of the store."""
        return load_alias(text, self._pickled_aliases) if self._any_alias else text

    def all_found(self, texts: Iterable[str]) -> list[Any]:
        """Return the objects of aliases of the store."""
        return [self.found(text) for text in texts]

    def _to_text(self, alias: object) -> str:
        if self._any_alias and (type(alias) is not str or alias[:1] == ESCAPE):
            alias = dump_alias(alias, self._pickled_aliases)
        return check_alias(alias)

    # Values

    def chosen(self, codec: Codec[Any] | str | None) -> Codec[Any]:
        """Return the codec of a call. Raises `TypeError`, and `ValueError` for an unknown name."""
        return self.codec if codec is None else self._registry.get(codec)

    def comparing(self, method: Method, codec: Codec[Any] | str | None) -> Codec[Any]:
        """Return the codec of a call that compares. Raises `ValueError` for one that encrypts."""
        chosen = self.chosen(codec)
        if chosen is not STORED:
            check_comparable(chosen, operation_of(method))
        return chosen

    async def encode(self, codec: Codec[Any], value: object) -> bytes:
        """Return a value as content; large values are encoded in a thread."""
        if codec is STORED:  # needs no encoding: don't spend time on the choice of a thread
            return check_content(value)
        if HAS_EVENT_LOOP and takes_long_to_encode(codec, value):
            return await call_blocking(encode_value, codec, value)
        return encode_value(codec, value)

    async def decode(self, codec: Codec[Any], text: str, content: bytes | memoryview) -> Any:
        """Return the value of content; large content is decoded in a thread."""
        if codec is STORED:
            return content if type(content) is bytes else bytes(content)
        if HAS_EVENT_LOOP and takes_long_to_decode(codec, len(content)):
            return await call_blocking(decode_value, codec, content, text)
        return decode_value(codec, content, text)
