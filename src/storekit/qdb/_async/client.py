"""The clients of QuasarDB: one for bytes, one that pickles."""

# ruff: noqa: ANN401 - a client that pickles takes and gives anything

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from storekit.core.runtime._async import call_blocking
from storekit.qdb._async.batches import AsyncBatches
from storekit.qdb._async.blobs import AsyncBlobs
from storekit.qdb._async.documents import AsyncDocuments
from storekit.qdb._async.entries import AsyncEntries
from storekit.qdb._async.integers import AsyncIntegers
from storekit.qdb._async.iterator import AsyncForwardIterator, AsyncRawForwardIterator
from storekit.qdb._async.nodes import AsyncNodes
from storekit.qdb._async.tags import AsyncTags
from storekit.qdb.arguments import check_alias
from storekit.qdb.location import Place
from storekit.qdb.pickling import Allowed, ValuePickler
from storekit.qdb.scans import Scan
from storekit.qdb.values import EntryMetadata, Expiry

__all__ = ["AsyncClient", "AsyncRawClient"]

_ALL = 2**31 - 1
_LARGE = 256 * 1024
"""Content of this size and up is unpickled in a thread, for it may take a millisecond or more."""


class AsyncRawClient(
    AsyncBlobs, AsyncEntries, AsyncBatches, AsyncDocuments, AsyncIntegers, AsyncTags, AsyncNodes
):
    """The raw client takes text and bytes-like content, stores it as it is, and gives bytes.

    ```python
    from storekit.qdb import AsyncRawClient

    async with AsyncRawClient("embedded:") as client:
        await client.put("alias", b"content")
        assert await client.get("alias") == b"content"
    ```

    Aliases are text of 1 to 1024 bytes of UTF-8 without NUL; those that start with ".."
    belong to the store. One client serves any number of concurrent callers.

    Every operation may raise, besides what it says: `InvalidArgument` (with `AliasTooLong`
    and `ReservedAlias`) or `TypeError` for a wrong argument, before anything is sent;
    `IncompatibleType` if the entry is of another type; `ConnectionFailed`, with
    `StoreTimeout` for no answer in time; `ClientClosed`, `OwnerMismatch`, `PoolFull`; and
    any other `QuasardbException` of the store. Reads are repeated after errors that may
    pass, writes only if they certainly did not reach the store.

    **Cancelling an operation returns at once. A write that was cancelled, or that failed
    with `StoreTimeout`, may have happened.**
    """

    def __aiter__(self) -> AsyncRawForwardIterator:
        return AsyncRawForwardIterator(self)

    # For iterators

    async def _open_scan(self) -> Scan:
        try:
            session = await self._workers.call_bare(
                self._engine.connect,
                self._connect_timeout,
                until=self._connect_until(),
                discard=lambda unwanted: unwanted.close(),
            )
        except Exception as error:  # noqa: BLE001 - raised again, explained
            raise self._explain(error, "iterate", None) from error.__cause__
        scan = Scan(session)
        self._scans.add(scan)
        return scan

    async def _fetch(
        self, scan: Scan, number: int, count: int
    ) -> tuple[list[tuple[str, bytes]], bool]:
        until = self._until()
        try:
            return await self._workers.call_bare(scan.fetch, number, count, until=until)
        except Exception as error:  # noqa: BLE001 - raised again, explained
            raise self._explain(error, "iterate", None) from error.__cause__

    def _close_later(self, scan: Scan) -> None:
        self._scans.discard(scan)
        self._workers.run_later(scan.close)

    def _entry(self, alias: str, content: bytes) -> tuple[Any, Any]:
        return self._from_text(alias), self._load(content)


class AsyncClient(AsyncRawClient):
    """The client offers the interface of the raw client for any objects that can be pickled.

    ```python
    from storekit.qdb import AsyncClient

    async with AsyncClient("embedded:") as client:
        await client.put("entry", {"any": "object"})
        assert await client.get("entry") == {"any": "object"}
    ```

    **Values** are plain pickles of protocol 2: what any other client pickled reads back, and
    the other way round. Reading lets in plain data and the standard value types (dates,
    decimals, fractions, UUIDs, collections, IP addresses, pure paths), and what `allow`
    names; anything else raises `ClassNotAllowed`, which says what to add, and what is no
    pickle raises `UnreadableValue`.

    **Aliases**: text stays as it is, any other object is stored in a textual form and comes
    back as the object. Prefixes and suffixes are always text.

    `compare_and_swap` and `remove_if` compare pickles: equal objects that were built
    differently may have different ones.
    """

    def __init__(
        self,
        remote_node: Place,
        *,
        allow: Allowed = (),
        trust_pickle: bool = False,
        **options: Any,
    ) -> None:
        """Make a client.

        Args:
            remote_node: As for the raw client.
            allow: Classes and functions that pickles may name, themselves or as text
                (`"module.Class"`).
            trust_pickle: Let pickles name anything, **so that whoever can write to the
                store can run code in this process**.
            options: As for the raw client.

        """
        self._pickler = ValuePickler(allow, trust_pickle=trust_pickle)
        super().__init__(remote_node, **options)

    def __aiter__(self) -> AsyncForwardIterator:
        return AsyncForwardIterator(self)

    def _to_text(self, alias: object) -> str:
        return check_alias(self._pickler.dump_alias(alias))

    def _from_text(self, text: str) -> Any:
        return self._pickler.load_alias(text)

    def _batch_alias(self, alias: object) -> str:
        return self._pickler.dump_alias(alias)

    def _encode(self, value: object) -> bytes:
        return self._pickler.dump(value)

    def _encode_optional(self, value: object) -> bytes:
        return self._pickler.dump(value)

    def _load(self, content: bytes | memoryview) -> Any:
        return self._pickler.load(content)

    async def _decode(self, content: bytes | memoryview) -> Any:
        if len(content) < _LARGE:
            return self._pickler.load(content)
        return await call_blocking(self._pickler.load, content)

    if TYPE_CHECKING:
        # The same operations, for any objects.

        async def put(self, alias: Any, data: Any, expiry_time: Expiry = None) -> None: ...
        async def update(self, alias: Any, data: Any, expiry_time: Expiry = None) -> None: ...
        async def get(self, alias: Any) -> Any: ...
        async def get_view(self, alias: Any) -> memoryview: ...
        async def remove(self, alias: Any) -> None: ...
        async def get_update(self, alias: Any, data: Any, expiry_time: Expiry = None) -> Any: ...
        async def get_remove(self, alias: Any) -> Any: ...
        async def compare_and_swap(
            self, alias: Any, new_data: Any, comparand: Any, expiry_time: Expiry = None
        ) -> Any: ...
        async def remove_if(self, alias: Any, comparand: Any) -> None: ...
        async def expires_at(self, alias: Any, expiry_time: Expiry) -> None: ...
        async def expires_from_now(self, alias: Any, expiry_delta: float | timedelta) -> None: ...
        async def get_expiry_time(self, alias: Any) -> datetime | None: ...
        async def get_metadata(self, alias: Any) -> EntryMetadata: ...
        async def prefix_get(self, prefix: str, max_count: int = _ALL) -> list[Any]: ...
        async def suffix_get(self, suffix: str, max_count: int = _ALL) -> list[Any]: ...
        async def int_put(self, alias: Any, value: int, expiry_time: Expiry = None) -> None: ...
        async def int_update(self, alias: Any, value: int, expiry_time: Expiry = None) -> None: ...
        async def int_get(self, alias: Any) -> int: ...
        async def int_add(self, alias: Any, addend: int) -> int: ...
        async def attach_tag(self, alias: Any, tag: Any) -> None: ...
        async def detach_tag(self, alias: Any, tag: Any) -> None: ...
        async def has_tag(self, alias: Any, tag: Any) -> bool: ...
        async def get_tags(self, alias: Any) -> list[Any]: ...
        async def get_tagged(self, tag: Any) -> list[Any]: ...
