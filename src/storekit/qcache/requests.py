"""Builds the requests of a client from the arguments of its methods. No I/O."""

from collections.abc import Mapping
from urllib.parse import quote

import httpx

from storekit.codecs.tables.base import CSV, JSON
from storekit.options import Timeouts
from storekit.qcache.arguments import check_media_type
from storekit.qcache.compression import Compression
from storekit.qcache.wire import (
    MAX_GET_QUERY,
    Headers,
    PreparedRequest,
    check_key,
    encode_query,
    merge_headers,
)

__all__ = ["RequestBuilder"]

_UPLOAD_TIMEOUT_FACTOR = 10
"""Timeouts of an upload, as a multiple of those of a query: the server parses the table before it
answers, and reads nothing while it executes a query. qcache-client has the same factor for the read
timeout."""


class RequestBuilder:
    """Makes the requests of one client, which have some headers in common."""

    def __init__(
        self, headers: Mapping[str, str], timeouts: Timeouts, compression: Compression | None
    ) -> None:
        self._headers = headers
        self._timeouts = timeouts
        self.compression = compression  # of uploads
        self._query_headers: dict[str, httpx.Headers] = {}  # of most queries, by their Accept

    def query(
        self,
        key: str,
        q: Mapping[str, object],
        accept: str = JSON,
        post_query: bool = False,
        query_headers: Headers | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
    ) -> PreparedRequest:
        """Return the request of a query, which is sent in the URL unless it is too long."""
        target = f"qcache/dataset/{check_key(key)}"
        text = encode_query(q)
        if not post_query and len(text) <= MAX_GET_QUERY:
            encoded = quote(text, safe="")
            if len(encoded) <= MAX_GET_QUERY:
                headers = self._headers_of_query(accept, query_headers, stand_in_columns)
                return PreparedRequest(f"get {key!r}", "GET", f"{target}?q={encoded}", headers)
        content = text.encode()
        headers = self._headers_of_query(accept, query_headers, stand_in_columns, content)
        return PreparedRequest(f"get {key!r}", "POST", f"{target}/q", headers, content)

    def _headers_of_query(
        self,
        accept: str,
        extra: Headers | None,
        stand_in_columns: Mapping[str, object] | None,
        content: bytes | None = None,
    ) -> httpx.Headers:
        simple = content is None and not (extra or stand_in_columns)
        if simple and accept in self._query_headers:
            return self._query_headers[accept]
        if not isinstance(accept, str):
            raise TypeError(f"accept must be {JSON!r} or {CSV!r}, not {accept!r}")
        check_media_type("accept", accept)
        own: dict[str, object] = {"Accept": accept}
        if content is not None:
            own["Content-Type"] = JSON
        if stand_in_columns:
            own["X-QCache-stand-in-columns"] = stand_in_columns
        merged = merge_headers(self._headers, own, extra)
        if content is not None:
            merged["content-length"] = str(len(content)).encode()
        headers = _as_sent(merged)
        if simple and accept in (JSON, CSV):
            self._query_headers[accept] = headers
        return headers

    def upload_headers(
        self,
        content_type: str,
        types: Mapping[str, str] | None,
        stand_in_columns: Mapping[str, object] | None,
        post_headers: Headers | None,
    ) -> dict[str, bytes]:
        """Return the headers of an upload, without those for its length and content encoding."""
        own: dict[str, object] = {"Accept": JSON, "Content-Type": content_type}
        if types:
            own["X-QCache-types"] = types
        if stand_in_columns:
            own["X-QCache-stand-in-columns"] = stand_in_columns
        return merge_headers(self._headers, own, post_headers)

    def upload(
        self,
        key: str,
        headers: Mapping[str, bytes],
        content: bytes,
        stream: httpx.AsyncByteStream | httpx.SyncByteStream | None = None,
    ) -> PreparedRequest:
        """Return the request that stores a table, given as bytes or as a stream."""
        return PreparedRequest(
            f"post {key!r}",
            "POST",
            f"qcache/dataset/{check_key(key)}",
            _as_sent(headers),
            content,
            stream=stream,
            writes=True,
            aftermath=f"the node may hold no dataset {key!r} now: QCache drops the old one "
            "before it reads the new one",
            read_timeout=_longer(self._timeouts.read),
            write_timeout=_longer(self._timeouts.write),
        )

    def delete(self, key: str) -> PreparedRequest:
        """Return the request that removes a table."""
        return self.plain(
            f"delete {key!r}",
            "DELETE",
            f"qcache/dataset/{check_key(key)}",
        )._replace(writes=True, aftermath="the dataset may or may not have been deleted")

    def plain(self, operation: str, method: str, target: str) -> PreparedRequest:
        """Return a request without content."""
        headers = merge_headers(self._headers, {"Accept": JSON})
        return PreparedRequest(operation, method, target, _as_sent(headers))


def _as_sent(headers: Mapping[str, bytes]) -> httpx.Headers:
    return httpx.Headers([(name.encode(), value) for name, value in headers.items()])


def _longer(timeout: float | None) -> float | None:
    return None if timeout is None else _UPLOAD_TIMEOUT_FACTOR * timeout
