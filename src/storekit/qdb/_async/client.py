"""The clients of QuasarDB: one for bytes, one that pickles."""

# ruff: noqa: ANN401 - a client that pickles takes and gives anything

import json
from collections.abc import Awaitable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from storekit.core.runtime._async import call_blocking
from storekit.qdb._async.base import AsyncBaseClient
from storekit.qdb._async.iterator import AsyncForwardIterator, AsyncRawForwardIterator
from storekit.qdb.arguments import GET, check_alias, check_content, check_integer, check_writable
from storekit.qdb.batches import Codec, explain_transaction, operations_of, results_of
from storekit.qdb.engine import Session
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for
from storekit.qdb.location import Place
from storekit.qdb.pickling import Allowed, ValuePickler
from storekit.qdb.scans import Scan
from storekit.qdb.values import (
    BatchRequest,
    BatchResult,
    EntryMetadata,
    Expiry,
    RemoteNode,
    from_milliseconds,
    milliseconds_from_now,
    parse_node,
    to_milliseconds,
)

__all__ = ["AsyncClient", "AsyncRawClient"]

if TYPE_CHECKING:
    from storekit.qdb.arguments import Content

_ALL = 2**31 - 1
_LARGE = 256 * 1024
"""Content of this size and up is unpickled in a thread, for it may take a millisecond or more."""


class AsyncRawClient(AsyncBaseClient):
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

    # Blobs

    async def put(self, alias: "str | bytes", data: "Content", expiry_time: Expiry = None) -> None:
        """Store a new entry. If `expiry_time` is None, it never expires.

        Raises `AliasAlreadyExists`: use `update` for an entry that may exist.
        """
        text, content, expiry = self._write("put", alias, data, expiry_time)
        await self._call("put", text, lambda session: session.blob_put(text, content, expiry))

    async def update(
        self, alias: "str | bytes", data: "Content", expiry_time: Expiry = None
    ) -> None:
        """Store an entry, new or not. If `expiry_time` is None, it never expires."""
        text, content, expiry = self._write("update", alias, data, expiry_time)
        await self._call("update", text, lambda session: session.blob_update(text, content, expiry))

    async def get(self, alias: "str | bytes") -> bytes:
        """Return the content of an entry.

        Gets that wait for a session together travel as one batch; each has its own result.
        Raises `AliasNotFound`.
        """
        return await self._decode(await self._get("get", self._alias("get", alias)))  # type: ignore[no-any-return]

    async def get_view(self, alias: "str | bytes") -> memoryview:
        """Return the stored bytes of an entry without a copy, where the store can do that.

        Raises `AliasNotFound`.
        """
        return memoryview(await self._get("get_view", self._alias("get_view", alias)))

    async def remove(self, alias: "str | bytes") -> None:
        """Remove an entry of any type. Raises `AliasNotFound`."""
        text = self._alias("remove", alias, writes=True)
        await self._call("remove", text, lambda session: session.remove(text))

    async def get_update(
        self, alias: "str | bytes", data: "Content", expiry_time: Expiry = None
    ) -> bytes:
        """Replace the content of an entry and return what it was, in one step.

        If `expiry_time` is None, it never expires. Raises `AliasNotFound`.
        """
        text, content, expiry = self._write("get_update", alias, data, expiry_time)
        former = await self._call(
            "get_update",
            text,
            lambda session: session.blob_get_and_update(text, content, expiry),
        )
        return await self._decode(former)  # type: ignore[no-any-return]

    async def get_remove(self, alias: "str | bytes") -> bytes:
        """Remove an entry and return its content, in one step. Raises `AliasNotFound`."""
        text = self._alias("get_remove", alias, writes=True)
        content = await self._call(
            "get_remove", text, lambda session: session.blob_get_and_remove(text)
        )
        return await self._decode(content)  # type: ignore[no-any-return]

    async def compare_and_swap(
        self,
        alias: "str | bytes",
        new_data: "Content",
        comparand: "Content",
        expiry_time: Expiry = None,
    ) -> bytes:
        """Replace the content of an entry if it is `comparand`, in one step.

        Returns the original content, whether it matched or not. If `expiry_time` is None,
        the entry never expires; one that did not match keeps its expiry. Raises
        `AliasNotFound`.
        """
        text, content, expiry = self._write("compare_and_swap", alias, new_data, expiry_time)
        expected = self._encode(comparand)
        original = await self._call(
            "compare_and_swap",
            text,
            lambda session: session.blob_compare_and_swap(text, content, expected, expiry),
        )
        return await self._decode(expected if original is None else original)  # type: ignore[no-any-return]

    async def remove_if(self, alias: "str | bytes", comparand: "Content") -> None:
        """Remove an entry if its content is `comparand`, in one step.

        Raises `UnmatchedContent` if it is not, and `AliasNotFound`.
        """
        text = self._alias("remove_if", alias, writes=True)
        expected = self._encode(comparand)
        await self._call("remove_if", text, lambda session: session.blob_remove_if(text, expected))

    async def remove_all(self) -> None:
        """Remove all entries from all nodes of the cluster.

        Clusters refuse unless configured to do it: `OperationDisabled`.
        """
        patience = 300.0 if self._timeout is None else self._timeout
        await self._call("remove_all", None, lambda session: session.purge_all(patience))

    purge_all = remove_all

    # Expiry

    async def expires_at(self, alias: "str | bytes", expiry_time: Expiry) -> None:
        """Set when an entry expires; None for never. Raises `AliasNotFound`.

        A datetime without time zone means UTC.
        """
        text = self._alias("expires_at", alias, writes=True)
        expiry = to_milliseconds(expiry_time, self._clock())
        await self._call("expires_at", text, lambda session: session.expires_at(text, expiry))

    async def expires_from_now(self, alias: "str | bytes", expiry_delta: float | timedelta) -> None:
        """Set in how many seconds an entry expires, or after which timedelta.

        Raises `AliasNotFound`.
        """
        text = self._alias("expires_from_now", alias, writes=True)
        delta = milliseconds_from_now(expiry_delta)
        await self._call(
            "expires_from_now", text, lambda session: session.expires_from_now(text, delta)
        )

    async def get_expiry_time(self, alias: "str | bytes") -> datetime | None:
        """Return when an entry expires, in the time zone `tz`; None for never.

        Raises `AliasNotFound`.
        """
        text = self._alias("get_expiry_time", alias)
        expiry = await self._call(
            "get_expiry_time", text, lambda session: session.get_expiry_time(text), reads=True
        )
        return from_milliseconds(expiry)

    async def get_metadata(self, alias: "str | bytes") -> EntryMetadata:
        """Return type, size and times of an entry of any type. Raises `AliasNotFound`."""
        text = self._alias("get_metadata", alias)
        return EntryMetadata.of(
            await self._call(
                "get_metadata", text, lambda session: session.get_metadata(text), reads=True
            )
        )

    # Finding

    async def prefix_get(self, prefix: str, max_count: int = _ALL) -> list[str]:
        """Return the aliases that start with a text, sorted by their bytes; [] for none."""
        text = self._part("prefix_get", prefix)
        _check_count(max_count)
        found = await self._call(
            "prefix_get", text, lambda session: session.prefix_get(text, max_count), reads=True
        )
        return self._aliases(found)

    async def prefix_count(self, prefix: str) -> int:
        """Return how many aliases start with a text."""
        text = self._part("prefix_count", prefix)
        return await self._call(
            "prefix_count", text, lambda session: session.prefix_count(text), reads=True
        )

    async def suffix_get(self, suffix: str, max_count: int = _ALL) -> list[str]:
        """Return the aliases that end with a text; [] for none."""
        text = self._part("suffix_get", suffix)
        _check_count(max_count)
        found = await self._call(
            "suffix_get", text, lambda session: session.suffix_get(text, max_count), reads=True
        )
        return self._aliases(found)

    def __aiter__(self) -> AsyncRawForwardIterator:
        return AsyncRawForwardIterator(self)

    # Batches

    async def run_batch(self, requests: Iterable[BatchRequest]) -> tuple[int, list[BatchResult]]:
        """Run all requests, each for itself; return how many were successful, and the results.

        The order in which they run is undefined. If the store finds one malformed, that has
        its error, all others `ErrorCode.SKIPPED`, and nothing was done. `get_remove` and
        `remove_if` have no place in the batches of today's clusters: the engine makes
        separate calls of them.

        Raises `TypeError` and `ValueError`, before anything is sent, for what is no request.
        """
        checked, operations = operations_of(requests, self._codec(), self._clock())
        if not operations:
            return 0, []
        outcomes = await self._call(
            "run_batch", None, lambda session: session.run_batch(operations)
        )
        return results_of(checked, operations, outcomes, self._codec())

    async def run_transaction(self, requests: Iterable[BatchRequest]) -> list[BatchResult]:
        """Run all requests in order, or none of them; return the results.

        Raises the error of the request that failed, with its alias: nothing was changed
        then. `Conflict` means that another writer was first. `get_remove` and `remove_if`
        can't be part of a transaction: `ValueError`.
        """
        checked, operations = operations_of(requests, self._codec(), self._clock())
        for operation in operations:
            if operation.kind < 0:
                raise ValueError(f"{operation.kind.name} can't be part of a transaction")
        if not operations:
            return []

        def run(session: Session) -> list[Any]:
            error, index, outcomes = session.run_transaction(operations)
            if error not in (ErrorCode.OK, ErrorCode.OK_CREATED):
                alias, detail = explain_transaction(operations, index)
                raise error_for(error, detail, alias=alias)
            return outcomes

        outcomes = await self._call("run_transaction", None, run)
        return results_of(checked, operations, outcomes, self._codec())[1]

    # Integers

    async def int_put(self, alias: "str | bytes", value: int, expiry_time: Expiry = None) -> None:
        """Store a new integer of 64 bits with sign. Raises `AliasAlreadyExists`, `ValueError`."""
        text, number, expiry = self._write_integer("int_put", alias, value, expiry_time)
        await self._call("int_put", text, lambda session: session.int_put(text, number, expiry))

    async def int_update(
        self, alias: "str | bytes", value: int, expiry_time: Expiry = None
    ) -> None:
        """Store an integer, new or not. Raises `ValueError` if it has more than 64 bits."""
        text, number, expiry = self._write_integer("int_update", alias, value, expiry_time)
        await self._call(
            "int_update", text, lambda session: session.int_update(text, number, expiry)
        )

    async def int_get(self, alias: "str | bytes") -> int:
        """Return an integer. Raises `AliasNotFound`."""
        text = self._alias("int_get", alias)
        return await self._call("int_get", text, lambda session: session.int_get(text), reads=True)

    async def int_add(self, alias: "str | bytes", addend: int) -> int:
        """Add to an integer in one step and return the sum.

        Raises `OutOfRange`, and nothing has changed, if that has more than 64 bits; and
        `AliasNotFound`.
        """
        text, number, _ = self._write_integer("int_add", alias, addend, None)
        return await self._call("int_add", text, lambda session: session.int_add(text, number))

    # Tags

    async def attach_tag(self, alias: "str | bytes", tag: str) -> None:
        """Tag an entry. Raises `TagAlreadySet` and `AliasNotFound`."""
        text, name = self._tag("attach_tag", alias, tag)
        await self._call("attach_tag", text, lambda session: session.attach_tag(text, name))

    async def detach_tag(self, alias: "str | bytes", tag: str) -> None:
        """Take a tag off an entry. Raises `TagNotSet` and `AliasNotFound`."""
        text, name = self._tag("detach_tag", alias, tag)
        await self._call("detach_tag", text, lambda session: session.detach_tag(text, name))

    async def has_tag(self, alias: "str | bytes", tag: str) -> bool:
        """Return whether an entry has a tag. Raises `AliasNotFound`."""
        text, name = self._tag("has_tag", alias, tag, writes=False)
        return await self._call(
            "has_tag", text, lambda session: session.has_tag(text, name), reads=True
        )

    async def get_tags(self, alias: "str | bytes") -> list[str]:
        """Return the tags of an entry. Raises `AliasNotFound`."""
        text = self._alias("get_tags", alias)
        return self._aliases(
            await self._call("get_tags", text, lambda session: session.get_tags(text), reads=True)
        )

    async def get_tagged(self, tag: str) -> list[str]:
        """Return the aliases of all entries that have a tag; [] if there is no such tag."""
        name = self._alias("get_tagged", tag)
        return self._aliases(
            await self._call(
                "get_tagged", name, lambda session: session.get_tagged(name), reads=True
            )
        )

    # The cluster

    async def node_status(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the status of a node."""
        node = _node(remote_node)
        return _parsed(
            await self._call(
                "node_status", None, lambda s: s.node_status(node), reads=True, node=node
            )
        )

    async def node_config(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the configuration of a node."""
        node = _node(remote_node)
        return _parsed(
            await self._call(
                "node_config", None, lambda s: s.node_config(node), reads=True, node=node
            )
        )

    async def node_topology(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the topology as a node sees it."""
        node = _node(remote_node)
        return _parsed(
            await self._call(
                "node_topology", None, lambda s: s.node_topology(node), reads=True, node=node
            )
        )

    async def stop_node(self, remote_node: RemoteNode | str, reason: str) -> None:
        """Stop a node, which others then have to do without.

        Clusters refuse unless configured to do it: `OperationDisabled`.
        """
        node = _node(remote_node)
        if not isinstance(reason, str):
            raise TypeError(f"reason must be text, not {type(reason).__name__}")
        await self._call("stop_node", None, lambda s: s.node_stop(node, reason), node=node)

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
        expiry = 0 if expiry_time is None else to_milliseconds(expiry_time, self._clock())
        return text, self._encode(data), expiry

    def _write_integer(
        self, operation: str, alias: object, value: object, expiry_time: Expiry
    ) -> tuple[str, int, int]:
        text = self._alias(operation, alias, writes=True)
        return text, check_integer(value), to_milliseconds(expiry_time, self._clock())

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

    # For iterators

    async def _open_scan(self) -> Scan:
        until = self._until()
        try:
            session = await self._workers.call_bare(
                self._engine.connect, until=until, discard=lambda unwanted: unwanted.close()
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


def _check_count(max_count: object) -> None:
    if isinstance(max_count, bool) or not isinstance(max_count, int):
        raise TypeError(f"max_count must be a whole number, not {type(max_count).__name__}")
    if max_count < 1:
        raise ValueError(f"max_count must be 1 or more, not {max_count}")


def _node(remote_node: object) -> str:
    if isinstance(remote_node, RemoteNode):
        return remote_node.authority
    if isinstance(remote_node, str):
        return parse_node(remote_node).authority
    raise TypeError(
        f'a node is a RemoteNode or text such as "host:2836", not {type(remote_node).__name__}'
    )


def _parsed(answer: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(bytes(answer).rstrip(b"\0"))
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise error_for(ErrorCode.INVALID_REPLY, "The node's description of itself is no JSON.")
    return parsed
