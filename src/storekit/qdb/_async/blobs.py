"""Operations on entries that hold bytes, or what is stored as bytes."""

# ruff: noqa: ANN401 - a codec that is named gives anything

from typing import Any, overload

from storekit.codecs.base import Codec
from storekit.qdb._async.conversion import AsyncConversion
from storekit.qdb.engine import Session
from storekit.qdb.values import Expiry
from storekit.qdb.variables import Alias, Data, Found, Other, Value

__all__ = ["AsyncBlobs"]


class AsyncBlobs(AsyncConversion[Alias, Found, Data, Value]):
    """Operations on the content of entries.

    `codec` is that of one call, itself or by its name in the registry of the client.
    """

    @overload
    async def put(self, alias: Alias, data: Data, expiry_time: Expiry = None) -> None: ...
    @overload
    async def put(
        self, alias: Alias, data: Other, expiry_time: Expiry = None, *, codec: Codec[Other] | str
    ) -> None: ...
    async def put(
        self,
        alias: Alias,
        data: Any,
        expiry_time: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> None:
        """Store a new entry. If `expiry_time` is None, it never expires.

        Raises `AliasAlreadyExists`: use `update` for an entry that may exist.
        """
        chosen = self._codec if codec is None else self._registry.get(codec)
        text, expiry = self._write("put", alias, expiry_time)
        content = await self._encode(chosen, data)
        await self._call("put", text, lambda session: session.blob_put(text, content, expiry))

    @overload
    async def update(self, alias: Alias, data: Data, expiry_time: Expiry = None) -> None: ...
    @overload
    async def update(
        self, alias: Alias, data: Other, expiry_time: Expiry = None, *, codec: Codec[Other] | str
    ) -> None: ...
    async def update(
        self,
        alias: Alias,
        data: Any,
        expiry_time: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> None:
        """Store an entry, new or not. If `expiry_time` is None, it never expires."""
        chosen = self._codec if codec is None else self._registry.get(codec)
        text, expiry = self._write("update", alias, expiry_time)
        content = await self._encode(chosen, data)
        await self._call("update", text, lambda session: session.blob_update(text, content, expiry))

    @overload
    async def get(self, alias: Alias) -> Value: ...
    @overload
    async def get(self, alias: Alias, *, codec: Codec[Other]) -> Other: ...
    @overload
    async def get(self, alias: Alias, *, codec: str) -> Any: ...
    async def get(self, alias: Alias, *, codec: Codec[Any] | str | None = None) -> Any:
        """Return the content of an entry.

        Gets that wait for a session together travel as one batch; each has its own result.
        Raises `AliasNotFound`.
        """
        chosen = self._codec if codec is None else self._registry.get(codec)
        text = self._alias("get", alias)
        if self._observers:
            return await self._watched_get(text, chosen)
        return await self._decode(chosen, text, await self._get("get", text))

    async def get_view(self, alias: Alias) -> memoryview:
        """Return the stored bytes of an entry without a copy, where the store can do that.

        Unlike gets, views are never fetched together: a view holds the memory of its entry
        alone. Raises `AliasNotFound`.
        """
        text = self._alias("get_view", alias)
        return memoryview(
            await self._call("get_view", text, lambda session: session.blob_get(text), reads=True)
        )

    @overload
    async def get_update(self, alias: Alias, data: Data, expiry_time: Expiry = None) -> Value: ...
    @overload
    async def get_update(
        self, alias: Alias, data: Other, expiry_time: Expiry = None, *, codec: Codec[Other]
    ) -> Other: ...
    @overload
    async def get_update(
        self, alias: Alias, data: object, expiry_time: Expiry = None, *, codec: str
    ) -> Any: ...
    async def get_update(
        self,
        alias: Alias,
        data: Any,
        expiry_time: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> Any:
        """Replace the content of an entry and return what it was, in one step.

        If `expiry_time` is None, it never expires. Raises `AliasNotFound`. After a
        `CodecError`, the content was replaced: what it was can't be read.
        """
        chosen = self._codec if codec is None else self._registry.get(codec)
        text, expiry = self._write("get_update", alias, expiry_time)
        content = await self._encode(chosen, data)
        return await self._exchange(
            "get_update",
            text,
            lambda session: session.blob_get_and_update(text, content, expiry),
            chosen,
        )

    @overload
    async def get_remove(self, alias: Alias) -> Value: ...
    @overload
    async def get_remove(self, alias: Alias, *, codec: Codec[Other]) -> Other: ...
    @overload
    async def get_remove(self, alias: Alias, *, codec: str) -> Any: ...
    async def get_remove(self, alias: Alias, *, codec: Codec[Any] | str | None = None) -> Any:
        """Remove an entry and return its content, in one step. Raises `AliasNotFound`.

        After a `CodecError`, the entry is gone: what it held can't be read.
        """
        chosen = self._codec if codec is None else self._registry.get(codec)
        text = self._alias("get_remove", alias, writes=True)
        return await self._exchange(
            "get_remove", text, lambda session: session.blob_get_and_remove(text), chosen
        )

    @overload
    async def compare_and_swap(
        self, alias: Alias, new_data: Data, comparand: Data, expiry_time: Expiry = None
    ) -> Value: ...
    @overload
    async def compare_and_swap(
        self,
        alias: Alias,
        new_data: Other,
        comparand: Other,
        expiry_time: Expiry = None,
        *,
        codec: Codec[Other],
    ) -> Other: ...
    @overload
    async def compare_and_swap(
        self,
        alias: Alias,
        new_data: object,
        comparand: object,
        expiry_time: Expiry = None,
        *,
        codec: str,
    ) -> Any: ...
    async def compare_and_swap(
        self,
        alias: Alias,
        new_data: Any,
        comparand: Any,
        expiry_time: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> Any:
        """Replace the content of an entry if it is `comparand`, in one step.

        Returns the original content, whether it matched or not. If `expiry_time` is None,
        the entry never expires; one that did not match keeps its expiry. Raises
        `AliasNotFound`, and `ValueError` for a codec that encrypts: stored bytes are
        compared, and those of such a codec never match.
        """
        chosen = self._comparing("compare_and_swap", codec)
        text, expiry = self._write("compare_and_swap", alias, expiry_time)
        content = await self._encode(chosen, new_data)
        expected = await self._encode(chosen, comparand)

        def swap(session: Session) -> bytes | memoryview:
            original = session.blob_compare_and_swap(text, content, expected, expiry)
            return expected if original is None else original

        return await self._exchange("compare_and_swap", text, swap, chosen)

    @overload
    async def remove_if(self, alias: Alias, comparand: Data) -> None: ...
    @overload
    async def remove_if(
        self, alias: Alias, comparand: Other, *, codec: Codec[Other] | str
    ) -> None: ...
    async def remove_if(
        self, alias: Alias, comparand: Any, *, codec: Codec[Any] | str | None = None
    ) -> None:
        """Remove an entry if its content is `comparand`, in one step.

        Raises `UnmatchedContent` if it is not, `AliasNotFound`, and `ValueError` for a codec
        that encrypts.
        """
        chosen = self._comparing("remove_if", codec)
        text = self._alias("remove_if", alias, writes=True)
        expected = await self._encode(chosen, comparand)
        await self._call("remove_if", text, lambda session: session.blob_remove_if(text, expected))
