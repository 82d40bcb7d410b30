"""How aliases and values go into the store and come out of it."""

# ruff: noqa: ANN401 - a client that pickles takes and gives anything

from collections.abc import Awaitable
from functools import partial
from typing import Any

from storekit.qdb._async.base import AsyncBaseClient
from storekit.qdb.arguments import GET, check_alias, check_content, check_integer, check_writable
from storekit.qdb.batches import Codec
from storekit.qdb.errors import QuasardbException
from storekit.qdb.values import Expiry, to_milliseconds

__all__ = ["AsyncConversion"]


class AsyncConversion(AsyncBaseClient):
    """What the operations have in common: the way of arguments in and of results out."""

    # How aliases and values are stored: what the pickling client does otherwise.

    def _to_text(self, alias: object) -> str:
        return check_alias(alias)

    def _from_text(self, text: str) -> Any:
        return text

    def _encode(self, value: object) -> bytes:
        return check_content(value)

    def _encode_optional(self, value: object) -> bytes:
        return b"" if value is None else check_content(value)

    def _load(self, content: bytes | memoryview) -> Any:
        return bytes(content)

    async def _decode(self, content: bytes | memoryview) -> Any:
        return content if type(content) is bytes else bytes(content)

    # What the operations have in common

    async def _get(self, operation: str, text: str) -> bytes | memoryview:
        until = self._until()
        if self._observers:
            return await self._watched(
                partial(self._workers.call_joint, GET, text, until=until),
                operation,
                text,
                until,
                reads=True,
            )
        try:
            return await self._workers.call_joint(GET, text, until=until)
        except Exception as error:  # noqa: BLE001 - raised again there

            def again() -> Awaitable[bytes | memoryview]:
                return self._workers.call_joint(GET, text, until=until)

            return await self._recover(error, again, operation, text, until, reads=True)

    def _alias(self, operation: str, alias: object, *, writes: bool = False) -> str:
        try:
            text = self._to_text(alias)
            return check_writable(text) if writes else text
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

    def _aliases(self, found: list[str]) -> list[Any]:
        return [self._from_text(text) for text in found]

    def _write(
        self, operation: str, alias: object, data: object, expiry_time: Expiry
    ) -> tuple[str, bytes, int]:
        text = self._alias(operation, alias, writes=True)
        expiry = (
            0 if expiry_time is None else to_milliseconds(expiry_time, self._clock(), operation)
        )
        return text, self._encode(data), expiry

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

    def _codec(self) -> Codec:
        return Codec(self._batch_alias, self._encode_optional, self._load)

    def _batch_alias(self, alias: object) -> str:
        # The engine refuses a malformed one by its own result.
        return alias if isinstance(alias, str) else self._to_text(alias)
