"""Prepares uploads of tables, text, files and iterators."""

# ruff: noqa: ANN401 - tables and files are of any type until they are looked at

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from storekit.codecs.loading import is_loaded
from storekit.codecs.tables.base import JSON, TableCodec, TableContent, media_type
from storekit.codecs.tables.registry import TableRegistry
from storekit.core.seam._async import call_blocking
from storekit.qcache._async.sources import AsyncContentSource, AsyncContentStream, source_of
from storekit.qcache.compression import compress
from storekit.qcache.formats import BOM, Format, format_of
from storekit.qcache.requests import RequestBuilder
from storekit.qcache.tables import check_text_content, check_upload, codec_of, is_large, read_frame
from storekit.qcache.wire import Headers, PreparedRequest

__all__ = ["AsyncUpload", "prepare_upload", "upload_request"]

_LARGE = 256 * 1024
"""Bytes: from this size, content is checked in a thread: it takes a millisecond or more."""

_COMPRESS_FROM = 1024
"""Bytes: smaller uploads are not compressed."""

_COMPRESSED_AT_ONCE = 256 * 1024
"""Bytes: from this size, uploads are compressed in a thread: it takes a millisecond or more."""


@dataclass(frozen=True, slots=True)
class AsyncUpload:
    """The content of an upload, or a stream of it, and its properties for the headers."""

    content_type: str
    content: bytes = b""
    stream: AsyncContentStream | None = None
    types: dict[str, str] = field(default_factory=dict)
    encoding: str | None = None  # the content encoding that it already has
    length: int | None = None  # of the stream in bytes, if it is known


async def prepare_upload(
    content: object,
    content_type: str,
    codec: TableCodec[Any] | str | None,
    tables: TableRegistry,
    *,
    is_packed: bool = False,
) -> AsyncUpload:
    """Return the upload of what a caller posts.

    `content_type` is that of bytes, text and streams, unless these are recognized as another
    format. With `is_packed` the caller has compressed them. Raises `TypeError` and `ValueError`.
    """
    if codec is None and not isinstance(content, TableContent):
        if isinstance(content, bytes | bytearray | memoryview | str):
            return await _of_text(content, content_type, tables, is_packed=is_packed)
        if (source := source_of(content)) is not None:
            return await _of_source(source, content_type, tables, is_packed=is_packed)
        codec = codec_of(content, tables)
    if codec is None:
        encoded = content
    else:
        chosen = tables.get(codec)
        takes_long = is_large(content) or not is_loaded(chosen)
        encoded = await _in_thread_if(takes_long, chosen.encode, content)
    encoded = check_upload(encoded, content_type)
    return AsyncUpload(encoded.content_type, encoded.content, types=dict(encoded.types))


async def _of_text(
    content: bytes | bytearray | memoryview | str,
    content_type: str,
    tables: TableRegistry,
    *,
    is_packed: bool,
) -> AsyncUpload:
    size = content.nbytes if isinstance(content, memoryview) else len(content)
    ready = await _in_thread_if(
        size >= _LARGE, check_text_content, content, content_type, is_packed=is_packed
    )
    if isinstance(ready, TableContent):
        return AsyncUpload(ready.content_type, ready.content)
    data, kind = ready
    if kind == "gzip":
        return AsyncUpload(content_type, data, encoding="gzip")
    return await _of_frame(data, kind, tables)


async def _of_frame(data: bytes | str, kind: Format, tables: TableRegistry) -> AsyncUpload:
    """Return the table in a file of Parquet or Arrow, or in its bytes."""

    def encode() -> TableContent:
        frame = read_frame(data, kind)
        return codec_of(frame, tables).encode(frame)

    encoded = await call_blocking(encode)
    return AsyncUpload(encoded.content_type, encoded.content, types=dict(encoded.types))


async def _of_source(
    source: AsyncContentSource, content_type: str, tables: TableRegistry, *, is_packed: bool
) -> AsyncUpload:
    start = await source.peek()
    if is_packed:
        return AsyncUpload(content_type, stream=AsyncContentStream(source), length=source.length)
    kind, is_gzip = format_of(start, source.name)
    if kind in ("parquet", "arrow"):
        if source.path is not None:
            return await _of_frame(source.path, kind, tables)
        return await _of_frame(await source.read_all(), kind, tables)
    if kind == "json lines":
        return AsyncUpload(JSON, stream=AsyncContentStream(source, as_list=True))
    if kind == "json":
        content_type = JSON
    skipped = len(BOM) if media_type(content_type) == JSON and start.startswith(BOM) else 0
    return AsyncUpload(
        content_type,
        stream=AsyncContentStream(source, skipped=skipped),
        encoding="gzip" if is_gzip else None,
        length=None if source.length is None else source.length - skipped,
    )


async def _in_thread_if(large: bool, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await call_blocking(call, *args, **kwargs) if large else call(*args, **kwargs)


async def upload_request(
    requests: RequestBuilder,
    key: str,
    upload: AsyncUpload,
    post_headers: Headers | None,
    types: Mapping[str, str] | None,
    stand_in_columns: Mapping[str, object] | None,
) -> PreparedRequest:
    """Return the request of an upload, compressed if the client does that and it is worth it."""
    headers = requests.upload_headers(
        upload.content_type, {**upload.types, **(types or {})}, stand_in_columns, post_headers
    )
    body = upload.content
    if upload.encoding is not None:
        headers["content-encoding"] = upload.encoding.encode()
    elif (
        requests.compression is not None
        and len(body) >= _COMPRESS_FROM
        and "content-encoding" not in headers  # else the caller has compressed it
    ):
        headers["content-encoding"] = requests.compression.encode()
        if len(body) < _COMPRESSED_AT_ONCE:
            body = compress(body, requests.compression)
        else:
            body = await call_blocking(compress, body, requests.compression)
    length = len(body) if upload.stream is None else upload.length
    if length is None:
        headers["transfer-encoding"] = b"chunked"
    else:
        headers["content-length"] = str(length).encode()
    return requests.upload(key, headers, body, upload.stream)
