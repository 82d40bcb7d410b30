"""The operations on single entries, and searches.

Most call one method of the session: `_read` and `_write` of the base class make the call,
`_store` also encodes a value, `_exchange` decodes the returned one. The operation is named
after the method.
"""

# ruff: noqa: ANN401 - the type of a codec that is given by name is unknown

from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, TypeVarTuple, overload

from storekit.codecs.base import Codec
from storekit.core.arguments import named_without_class
from storekit.qdb._async.base import AsyncBaseClient
from storekit.qdb._typing import MISSING, Alias, Data, Default, Found, Other, Value
from storekit.qdb.arguments import (
    check_content,
    check_count,
    check_double,
    check_integer,
    check_query,
    check_string,
)
from storekit.qdb.codec import STORED
from storekit.qdb.engine import Session
from storekit.qdb.errors import AliasNotFound, BufferTooSmall, ErrorCode
from storekit.qdb.methods import bound, operation_of
from storekit.qdb.times import (
    Expiry,
    from_milliseconds,
    from_nanoseconds,
    milliseconds_from_now,
    to_nanoseconds,
)
from storekit.qdb.values import EntryMetadata

__all__ = ["AsyncEntryOperations"]

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_ALL = 2**31 - 1


@named_without_class
class AsyncEntryOperations(AsyncBaseClient, Generic[Alias, Found, Data, Value]):
    """The operations, for any types of aliases and values.

    `codec` is the codec of one call, or its name in the registry of the client.
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
        await self._store(Session.blob_put, alias, data, expiry_time, codec)

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
        await self._store(Session.blob_update, alias, data, expiry_time, codec)

    @overload
    async def get(self, alias: Alias) -> Value: ...
    @overload
    async def get(self, alias: Alias, default: Default) -> Value | Default: ...
    @overload
    async def get(self, alias: Alias, *, codec: Codec[Other]) -> Other: ...
    @overload
    async def get(
        self, alias: Alias, default: Default, *, codec: Codec[Other]
    ) -> Other | Default: ...
    @overload
    async def get(self, alias: Alias, default: object = MISSING, *, codec: str) -> Any: ...
    async def get(
        self,
        alias: Alias,
        default: object = MISSING,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> Any:
        """Return the content of an entry, or `default` if there is no such entry.

        Raises `AliasNotFound` if there is no default.
        """
        conversion = self._conversion
        chosen = conversion.codec if codec is None else conversion.chosen(codec)
        text = conversion.alias(Session.blob_get, alias)
        if self._calls.observers:
            return await self._watched_get(text, chosen, default)
        try:
            content = await self._calls.call_entry(Session.blob_get, text, reads=True)
        except AliasNotFound:
            if default is MISSING:
                raise
            return default
        return await conversion.decode(chosen, text, content)

    async def _watched_get(self, text: str, codec: Codec[Any], default: object) -> Any:
        """Get an entry. To observers, an undecodable value is a failure, a default is not."""
        with self._calls.watch("get", text) as watch:
            try:
                content = await self._calls.call_entry(
                    Session.blob_get, text, reads=True, watch=watch
                )
            except AliasNotFound:
                if default is MISSING:
                    raise
                return default
            return await self._conversion.decode(codec, text, content)

    async def get_view(self, alias: Alias) -> memoryview:
        """Return the stored bytes of an entry, without a copy where the store can do that.

        Unlike `get`, this is never joined with other calls, so that a view keeps only the
        memory of its own entry allocated. Raises `AliasNotFound`.
        """
        text = self._conversion.alias(Session.blob_get, alias)
        read = bound(Session.blob_get, text)
        return memoryview(await self._calls.call("get_view", text, read, reads=True))

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
        """Replace the content of an entry atomically, and return the old content.

        If `expiry_time` is None, it never expires. Raises `AliasNotFound`. A `CodecError`
        means that the content was replaced, but the old one can't be decoded; the error has it.
        """
        chosen = self._conversion.chosen(codec)
        method = Session.blob_get_and_update
        expiry = self._expiry(method, expiry_time)
        content = await self._conversion.encode(chosen, data)
        return await self._exchange(method, alias, chosen, None, content, expiry)

    @overload
    async def get_remove(self, alias: Alias) -> Value: ...
    @overload
    async def get_remove(self, alias: Alias, *, codec: Codec[Other]) -> Other: ...
    @overload
    async def get_remove(self, alias: Alias, *, codec: str) -> Any: ...
    async def get_remove(self, alias: Alias, *, codec: Codec[Any] | str | None = None) -> Any:
        """Remove an entry atomically, and return its content. Raises `AliasNotFound`.

        A `CodecError` means that the entry was removed, but its content can't be decoded; the
        error has it.
        """
        chosen = self._conversion.chosen(codec)
        return await self._exchange(Session.blob_get_and_remove, alias, chosen, None)

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
        """Replace the content of an entry atomically if it is `comparand`.

        Returns the original content, whether it matched or not. If `expiry_time` is None,
        the entry never expires; one that did not match keeps its expiry. Raises
        `AliasNotFound`, and `ValueError` for a codec that encrypts, because stored bytes are
        compared and would never match.
        """
        method = Session.blob_compare_and_swap
        chosen = self._conversion.comparing(method, codec)
        expiry = self._expiry(method, expiry_time)
        if chosen is STORED and type(new_data) is type(comparand) is bytes:
            content, expected = new_data, comparand  # saves two coroutines
        else:
            content = await self._conversion.encode(chosen, new_data)
            expected = await self._conversion.encode(chosen, comparand)
        return await self._exchange(method, alias, chosen, expected, content, expected, expiry)

    @overload
    async def remove_if(self, alias: Alias, comparand: Data) -> None: ...
    @overload
    async def remove_if(
        self, alias: Alias, comparand: Other, *, codec: Codec[Other] | str
    ) -> None: ...
    async def remove_if(
        self, alias: Alias, comparand: Any, *, codec: Codec[Any] | str | None = None
    ) -> None:
        """Remove an entry atomically if its content is `comparand`.

        Raises `UnmatchedContent` if it is not, `AliasNotFound`, and `ValueError` for a codec
        that encrypts.
        """
        chosen = self._conversion.comparing(Session.blob_remove_if, codec)
        expected = await self._conversion.encode(chosen, comparand)
        await self._write(Session.blob_remove_if, alias, expected)

    async def get_into(self, alias: Alias, buffer: bytearray | memoryview) -> int:
        """Copy the stored bytes of an entry into a buffer; return their number.

        Only the thread of the caller writes to the buffer, after the content has arrived: a
        cancelled call leaves it unchanged. Raises `BufferTooSmall`, whose `size` is that of
        the content in bytes, `AliasNotFound`, and `TypeError` for a read-only buffer.
        """
        place = memoryview(buffer).cast("B")
        if place.readonly:
            raise TypeError("the buffer is read-only; give a bytearray, or a view of one")
        content = await self.get_view(alias)
        size = len(content)
        if size > len(place):
            error = BufferTooSmall(
                ErrorCode.BUFFER_TOO_SMALL,
                f"The content has {size} bytes, the buffer {len(place)}.",
                operation="get_into",
                alias=self._conversion.alias(Session.blob_get, alias),
                node=self._calls.address,
            )
            error.size = size
            raise error
        place[:size] = content
        return size

    # Signed 64-bit integers

    async def int_put(self, alias: Alias, value: int, expiry_time: Expiry = None) -> None:
        """Store a new signed 64-bit integer.

        Raises `AliasAlreadyExists`, and `ValueError` if it does not fit into 64 bits.
        """
        expiry = self._expiry(Session.int_put, expiry_time)
        await self._write(Session.int_put, alias, check_integer(value), expiry)

    async def int_update(self, alias: Alias, value: int, expiry_time: Expiry = None) -> None:
        """Store an integer, new or not. Raises `ValueError` if it does not fit into 64 bits."""
        expiry = self._expiry(Session.int_update, expiry_time)
        await self._write(Session.int_update, alias, check_integer(value), expiry)

    async def int_get(self, alias: Alias) -> int:
        """Return an integer. Raises `AliasNotFound`."""
        return await self._read(Session.int_get, alias)

    async def int_add(self, alias: Alias, addend: int) -> int:
        """Add to an integer atomically and return the sum.

        Raises `AliasNotFound`, and `OutOfRange` if the sum does not fit into 64 bits; the
        entry keeps its value then.
        """
        return await self._write(Session.int_add, alias, check_integer(addend))

    # Doubles

    async def double_put(self, alias: Alias, value: float, expiry_time: Expiry = None) -> None:
        """Store a new double. Raises `AliasAlreadyExists`."""
        expiry = self._expiry(Session.double_put, expiry_time)
        await self._write(Session.double_put, alias, check_double(value), expiry)

    async def double_update(self, alias: Alias, value: float, expiry_time: Expiry = None) -> None:
        """Store a double, new or not."""
        expiry = self._expiry(Session.double_update, expiry_time)
        await self._write(Session.double_update, alias, check_double(value), expiry)

    async def double_get(self, alias: Alias) -> float:
        """Return a double. Raises `AliasNotFound`."""
        return await self._read(Session.double_get, alias)

    async def double_add(self, alias: Alias, addend: float) -> float:
        """Add to a double atomically and return the sum. Raises `AliasNotFound`."""
        return await self._write(Session.double_add, alias, check_double(addend))

    # Strings: text that all clients of the cluster read as text, whatever codec they have

    async def string_put(self, alias: Alias, text: str, expiry_time: Expiry = None) -> None:
        """Store new text.

        Raises `AliasAlreadyExists`, and `ValueError` if UTF-8 can't encode it.
        """
        expiry = self._expiry(Session.string_put, expiry_time)
        await self._write(Session.string_put, alias, check_string(text), expiry)

    async def string_update(self, alias: Alias, text: str, expiry_time: Expiry = None) -> None:
        """Store text, new or not. Raises `ValueError` if UTF-8 can't encode it."""
        expiry = self._expiry(Session.string_update, expiry_time)
        await self._write(Session.string_update, alias, check_string(text), expiry)

    async def string_get(self, alias: Alias) -> str:
        """Return text. Raises `AliasNotFound`.

        Bytes that are not UTF-8, stored by other clients, are decoded with the error handler
        "surrogateescape".
        """
        return await self._read(Session.string_get, alias)

    async def string_get_update(self, alias: Alias, text: str, expiry_time: Expiry = None) -> str:
        """Replace text atomically and return the old text. Raises `AliasNotFound`."""
        expiry = self._expiry(Session.string_get_and_update, expiry_time)
        return await self._write(Session.string_get_and_update, alias, check_string(text), expiry)

    async def string_get_remove(self, alias: Alias) -> str:
        """Remove text atomically and return it. Raises `AliasNotFound`."""
        return await self._write(Session.string_get_and_remove, alias)

    async def string_compare_and_swap(
        self, alias: Alias, new_text: str, comparand: str, expiry_time: Expiry = None
    ) -> str:
        """Replace text atomically if it is `comparand`; return the original text in any case.

        Raises `AliasNotFound`.
        """
        method = Session.string_compare_and_swap
        expiry, expected = self._expiry(method, expiry_time), check_string(comparand)
        previous = await self._write(method, alias, check_string(new_text), expected, expiry)
        return expected if previous is None else previous

    async def string_remove_if(self, alias: Alias, comparand: str) -> None:
        """Remove text atomically if it is `comparand`.

        Raises `UnmatchedContent` if it is not, and `AliasNotFound`.
        """
        await self._write(Session.string_remove_if, alias, check_string(comparand))

    # Timestamps, which the store keeps to the nanosecond

    async def timestamp_put(
        self, alias: Alias, value: datetime | int, expiry_time: Expiry = None
    ) -> None:
        """Store a new timestamp: a datetime with time zone, or nanoseconds since the epoch.

        Raises `AliasAlreadyExists`, and `ValueError` for a datetime without time zone.
        """
        expiry = self._expiry(Session.timestamp_put, expiry_time)
        await self._write(Session.timestamp_put, alias, to_nanoseconds(value, datetime), expiry)

    async def timestamp_update(
        self, alias: Alias, value: datetime | int, expiry_time: Expiry = None
    ) -> None:
        """Store a timestamp, new or not; see `timestamp_put`."""
        method = Session.timestamp_update
        expiry = self._expiry(method, expiry_time)
        await self._write(method, alias, to_nanoseconds(value, datetime), expiry)

    async def timestamp_get(self, alias: Alias) -> datetime:
        """Return a timestamp in the time zone `tz`, rounded down to the microsecond.

        Raises `AliasNotFound`, and `CodecError` for one outside the years 1 to 9999.
        """
        found = await self._read(Session.timestamp_get, alias)
        return from_nanoseconds(found, self._conversion.alias(Session.timestamp_get, alias))

    async def timestamp_get_ns(self, alias: Alias) -> int:
        """Return a timestamp in nanoseconds since the epoch. Raises `AliasNotFound`."""
        return await self._read(Session.timestamp_get, alias)

    @overload
    async def timestamp_add(self, alias: Alias, addend: timedelta) -> datetime: ...
    @overload
    async def timestamp_add(self, alias: Alias, addend: int) -> int: ...
    async def timestamp_add(self, alias: Alias, addend: timedelta | int) -> datetime | int:
        """Add to a timestamp atomically and return the sum.

        Returns a datetime for a timedelta, and nanoseconds since the epoch for nanoseconds in
        an int. Raises `AliasNotFound`, and `CodecError` as `timestamp_get` does; the sum has been
        stored then.
        """
        method = Session.timestamp_add
        total = await self._write(method, alias, to_nanoseconds(addend, timedelta))
        if isinstance(addend, int):
            return total
        return from_nanoseconds(total, self._conversion.alias(method, alias))

    # Entries of any type

    async def remove(self, alias: Alias) -> None:
        """Remove an entry of any type. Raises `AliasNotFound`."""
        await self._write(Session.remove, alias)

    async def remove_all(self) -> None:
        """Remove all entries from all nodes of the cluster.

        The nodes may take as long as the timeout of the client, or 300 seconds without one.
        Raises `OperationDisabled` unless the cluster is configured to permit it.
        """
        timeout = 300.0 if self._calls.timeout is None else self._calls.timeout
        method = Session.purge_all
        await self._calls.call(operation_of(method), None, bound(method, timeout))

    purge_all = remove_all

    async def exists(self, alias: Alias) -> bool:
        """Return whether there is an entry of any type. Its content is not read."""
        text = self._conversion.alias("exists", alias)
        try:
            await self._calls.call("exists", text, bound(Session.get_type, text), reads=True)
        except AliasNotFound:
            return False
        return True

    async def get_metadata(self, alias: Alias) -> EntryMetadata:
        """Return type, size and times of an entry of any type. Raises `AliasNotFound`."""
        return EntryMetadata.of(await self._read(Session.get_metadata, alias))

    # Expiry

    async def expires_at(self, alias: Alias, expiry_time: Expiry) -> None:
        """Set when an entry expires; None for never. Raises `AliasNotFound`.

        A datetime without time zone means UTC.
        """
        expiry = self._expiry(Session.expires_at, expiry_time)
        await self._write(Session.expires_at, alias, expiry)

    async def expires_from_now(self, alias: Alias, expiry_delta: float | timedelta) -> None:
        """Set the seconds, or the timedelta, after which an entry expires.

        Raises `AliasNotFound`.
        """
        await self._write(Session.expires_from_now, alias, milliseconds_from_now(expiry_delta))

    async def get_expiry_time(self, alias: Alias) -> datetime | None:
        """Return when an entry expires, in the time zone `tz`; None for never.

        Raises `AliasNotFound`.
        """
        return from_milliseconds(await self._read(Session.get_expiry_time, alias))

    async def touch(self, alias: Alias, expiry_time: Expiry) -> bool:
        """Set when an entry expires, None for never; return whether there is such an entry."""
        text = self._conversion.alias("touch", alias, writes=True)
        expiry = self._expiry("touch", expiry_time)
        try:
            await self._calls.call("touch", text, bound(Session.expires_at, text, expiry))
        except AliasNotFound:
            return False
        return True

    # Finding

    async def prefix_get(self, prefix: str, max_count: int = _ALL) -> list[Found]:
        """Return the aliases that start with a text, in the order of their bytes; [] if none do."""
        check_count(max_count)
        found = await self._find(Session.prefix_get, prefix, max_count)
        return self._conversion.all_found(found)

    async def prefix_count(self, prefix: str) -> int:
        """Return how many aliases start with a text."""
        return await self._find(Session.prefix_count, prefix)

    async def suffix_get(self, suffix: str, max_count: int = _ALL) -> list[Found]:
        """Return the aliases that end with a text; [] if none do."""
        check_count(max_count)
        found = await self._find(Session.suffix_get, suffix, max_count)
        return self._conversion.all_found(found)

    async def suffix_count(self, suffix: str) -> int:
        """Return how many aliases end with a text."""
        return await self._find(Session.suffix_count, suffix)

    async def blob_scan(self, pattern: bytes | str, max_count: int = _ALL) -> list[Found]:
        """Return the aliases of blobs that contain `pattern`; [] if there are none.

        The store reads all blobs for that. Text is encoded as UTF-8.
        """
        check_count(max_count)
        return await self._scan(Session.blob_scan, check_content(pattern), max_count)

    async def blob_scan_regex(self, pattern: str, max_count: int = _ALL) -> list[Found]:
        """Return the aliases of blobs that match a regular expression; [] if there are none.

        Raises a `QuasardbException` if the expression is malformed.
        """
        check_count(max_count)
        return await self._scan(Session.blob_scan_regex, check_string(pattern), max_count)

    async def string_scan(self, pattern: str, max_count: int = _ALL) -> list[Found]:
        """Return the aliases of strings that contain `pattern`; [] if there are none."""
        check_count(max_count)
        return await self._scan(Session.string_scan, check_string(pattern), max_count)

    async def string_scan_regex(self, pattern: str, max_count: int = _ALL) -> list[Found]:
        """Return the aliases of strings that match a regular expression; [] if there are none."""
        check_count(max_count)
        return await self._scan(Session.string_scan_regex, check_string(pattern), max_count)

    # Tags

    async def attach_tag(self, alias: Alias, tag: Alias) -> None:
        """Tag an entry. Raises `TagAlreadySet` and `AliasNotFound`."""
        name = self._conversion.alias(Session.attach_tag, tag, writes=True)
        await self._write(Session.attach_tag, alias, name)

    async def detach_tag(self, alias: Alias, tag: Alias) -> None:
        """Remove a tag from an entry. Raises `TagNotSet` and `AliasNotFound`."""
        name = self._conversion.alias(Session.detach_tag, tag, writes=True)
        await self._write(Session.detach_tag, alias, name)

    async def has_tag(self, alias: Alias, tag: Alias) -> bool:
        """Return whether an entry has a tag. Raises `AliasNotFound`."""
        name = self._conversion.alias(Session.has_tag, tag)
        return await self._read(Session.has_tag, alias, name)

    async def get_tags(self, alias: Alias) -> list[Found]:
        """Return the tags of an entry. Raises `AliasNotFound`."""
        return self._conversion.all_found(await self._read(Session.get_tags, alias))

    async def get_tagged(self, tag: Alias) -> list[Found]:
        """Return the aliases of all entries that have a tag; [] if there is no such tag."""
        return self._conversion.all_found(await self._read(Session.get_tagged, tag))

    async def get_tagged_count(self, tag: Alias) -> int:
        """Return how many entries have a tag."""
        return await self._read(Session.get_tagged_count, tag)

    async def find(self, query: str) -> list[Found]:
        """Return the aliases of the entries that match a query; [] if there are none.

        A query combines `tag='a'` and `type=blob` (or integer, double, string, timestamp, tag)
        by `and`, `or`, `not` and parentheses, with or without `find(...)` around it, as in
        `find(tag='a' and not tag='b')`. Raises `InvalidQuery` if it is malformed.
        """
        text = check_query(query)
        found = await self._calls.call("find", None, bound(Session.find, text), reads=True)
        return self._conversion.all_found(found)
