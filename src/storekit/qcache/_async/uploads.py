"""Operations that change what the nodes hold."""

from collections.abc import Mapping
from functools import partial
from typing import Any, overload

from storekit.codecs.tables.base import TableCodec, TableContent
from storekit.core.seam._async import call_blocking
from storekit.observers import Watch
from storekit.qcache._async.base import AsyncBaseClient
from storekit.qcache.compression import compress
from storekit.qcache.error_mapping import error_of
from storekit.qcache.result import request_statistics
from storekit.qcache.tables import (
    F,
    R,
    as_it_is,
    check_upload,
    codec_of,
    is_large,
    merge_types,
)
from storekit.qcache.wire import Call, Headers, Table, check_key, merge_headers

__all__ = ["AsyncUploads"]

_UPLOADS_TAKE_LONGER = 10
"""Timeouts of an upload, in those of a query: the server parses the table before it answers,
and takes nothing while it works on a query. qcache-client has the same factor for reading."""

_COMPRESS_FROM = 1024
_IN_A_THREAD = 256 * 1024
"""Content of this size and up is packed in a thread, for it takes a millisecond or more."""


class AsyncUploads(AsyncBaseClient[R]):
    """Storing and deleting tables."""

    @overload
    async def post(
        self,
        key: str,
        content: Table,
        content_type: str | None = None,
        post_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: None = None,
    ) -> None: ...
    @overload
    async def post(
        self,
        key: str,
        content: F,
        content_type: str | None = None,
        post_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: TableCodec[F],
    ) -> None: ...
    @overload
    async def post(
        self,
        key: str,
        content: object,
        content_type: str | None = None,
        post_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: str,
    ) -> None: ...
    async def post(
        self,
        key: str,
        content: object,
        content_type: str | None = None,
        post_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: TableCodec[Any] | str | None = None,
    ) -> None:
        """Store a table under `key`, replacing the one that is there.

        QCache drops the old table before it looks at the new one: **when a post is
        refused, or its fate is unknown, the node may hold no table**. The message says
        so. A post is not repeated once the request may have reached a node, unless the
        client's `RetryPolicy` has `retry_writes`.

        Args:
            key: Key to store the table under: `[A-Za-z0-9_-]+`.
            content: The table as bytes or text in the given format; for JSON also a list
                of dicts, one for each row. Or a frame of polars, pandas or pyarrow, which
                brings its format and column types along.
            content_type: `text/csv`, which is the default, or `application/json`.
            post_headers: More headers, by name. They go before all that this client would
                set: an `X-QCache-types` here leaves nothing of the types of a frame.
            types: Types of columns, where they are not to be guessed: `string`, `enum` or
                `float` (the Go port also takes `int` and `bool`). CSV only. They go before
                those of a frame, column by column.
            stand_in_columns: Values for columns that the table may lack, as for `get`.
            codec: What encodes the table, or its name: for tables of other types, or in
                another format. By default that is seen from the type of `content`.

        Raises:
            UnsupportedContentType: The server does not take this format (415).
            UnexpectedServerResponse: Any other refusal; see its subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the upload kept failing.
            ClientBusy: All connections stayed in use.
            TypeError, ValueError: An argument is wrong, or QCache could not keep a column
                of the frame as it is; nothing was sent.

        """
        check_key(key)
        encoded = await self._encode(content, content_type, codec)
        call = await self._upload_call(key, encoded, post_headers, types, stand_in_columns)
        if self._observers:
            await self._watched("post", key, partial(self._upload, key, call))
        else:
            await self._upload(key, call)

    async def delete(self, key: str) -> None:
        """Delete the table stored under `key`; nothing happens if there is none.

        Only the node that holds the key now is asked. Where nodes were out for a while,
        another may hold an older copy, which shows when that node takes over again.

        A delete is not repeated once the request may have reached a node, unless the
        client's `RetryPolicy` has `retry_writes`.

        Raises:
            UnexpectedServerResponse: The server refused; see the subclasses.
            NoCacheAvailable: No node could be reached; see its subclasses.
            TooManyConsecutiveErrors: Nodes are reachable, but the delete kept failing.
            ClientBusy: All connections stayed in use.
            TypeError, ValueError: The key is wrong; nothing was sent.

        """
        call = Call(
            f"delete {key!r}",
            "DELETE",
            f"qcache/dataset/{check_key(key)}",
            self._as_sent(merge_headers(self._headers, {"Accept": "application/json"})),
            writes=True,
            aftermath="the dataset may or may not have been deleted",
        )
        if self._observers:
            await self._watched("delete", key, partial(self._delete, key, call))
        else:
            await self._delete(key, call)

    async def _encode(
        self,
        content: object,
        content_type: str | None,
        codec: TableCodec[Any] | str | None = None,
    ) -> TableContent:
        """Return content as it is to be sent, before headers and compression."""
        if codec is None:
            ready = as_it_is(content, content_type)
            if ready is not None:
                return ready
            codec = codec_of(content, self._tables)
        else:
            codec = self._tables.get(codec)
        if is_large(content):
            encoded = await call_blocking(codec.encode, content)
        else:
            encoded = codec.encode(content)
        return check_upload(encoded, content_type)

    async def _upload_call(
        self,
        key: str,
        encoded: TableContent,
        post_headers: Headers | None,
        types: Mapping[str, str] | None,
        stand_in_columns: Mapping[str, object] | None,
    ) -> Call:
        own: dict[str, object] = {
            "Accept": "application/json",
            "Content-Type": encoded.content_type,
        }
        if types := merge_types(encoded, types):
            own["X-QCache-types"] = types
        if stand_in_columns:
            own["X-QCache-stand-in-columns"] = stand_in_columns
        headers = merge_headers(self._headers, own, post_headers)
        body = encoded.content
        if (
            self._compression is not None
            and len(body) >= _COMPRESS_FROM
            and "content-encoding" not in headers  # else the caller has packed it
        ):
            headers["content-encoding"] = self._compression.encode()
            if len(body) < _IN_A_THREAD:
                body = compress(body, self._compression)
            else:
                body = await call_blocking(compress, body, self._compression)
        headers["content-length"] = str(len(body)).encode()
        return Call(
            f"post {key!r}",
            "POST",
            f"qcache/dataset/{key}",
            self._as_sent(headers),
            body,
            writes=True,
            aftermath=f"the node may hold no dataset {key!r} now: QCache drops the old one "
            "before it looks at the new one",
            read_timeout=_longer(self._timeouts.read),
            write_timeout=_longer(self._timeouts.write),
        )

    async def _upload(self, key: str, call: Call, watch: Watch | None = None) -> dict[str, float]:
        """Upload a table; returns what the server says of its work."""
        reply = await self._nodes.send(key, call, watch)
        if reply.status != 201:
            raise error_of(call, reply)
        return request_statistics(reply.headers, "insert_")

    async def _delete(self, key: str, call: Call, watch: Watch | None = None) -> None:
        reply = await self._nodes.send(key, call, watch)
        if reply.status == 405:
            raise error_of(call, reply, hint="the Go port of QCache has no delete")
        if reply.status != 200:
            raise error_of(call, reply)


def _longer(timeout: float | None) -> float | None:
    return None if timeout is None else _UPLOADS_TAKE_LONGER * timeout
