# Generated from src/storekit/qcache/_async/uploads.py by tools/generate_sync.py; do not edit.

"""Prepares uploads of tables, text, files and iterators."""

# ruff: noqa: ANN401 - tables and files are of any type until they are looked at

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from storekit.codecs.loading import is_loaded
from storekit.codecs.tables.base import JSON, TableCodec, TableContent, media_type
from storekit.codecs.tables.registry import TableRegistry
from storekit.core.seam._sync import call_blocking
from storekit.qcache._sync.sources import ContentSource, ContentStream, source_of
from storekit.qcache.compression import compress
from storekit.qcache.formats import BOM, Format, format_of
from storekit.qcache.requests import RequestBuilder
from storekit.qcache.tables import check_text_content, check_upload, codec_of, is_large, read_frame
from storekit.qcache.wire import Headers, PreparedRequest

__all__ = ["Upload", "prepare_upload", "upload_request"]

_LARGE = 256 * 1024
"""Bytes: from this size, content is checked in a thread: it takes a millisecond or more."""

_COMPRESS_FROM = 1024
"""Bytes: smaller uploads are not compressed."""

_COMPRESSED_AT_ONCE = 256 * 1024
"""Bytes: from this size, uploads are compressed in a thread: it takes a millisecond or more."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The content of an upload, or a stream of it, and its properties for the headers."""

    content_type: str
    content: bytes = b""
    stream: ContentStream | None = None
    types: dict[str, str] = field(default_factory=dict)
    encoding: str | None = None  # the content encoding that it already has
    length: int | None = None  # of the stream in bytes, if it is known


def prepare_upload(
    content: object,
    content_type: str,
    codec: TableCodec[Any] | str | None,
    tables: TableRegistry,
    *,
    is_packed: bool = False,
) -> Upload:
    """Return the upload of what a caller posts.

    `content_type` is that of bytes, text and streams, unless these are recognized as another
    format. With `is_packed` the caller has compressed them. Raises `TypeError` and `ValueError`.
    """
    if codec is None and not isinstance(content, TableContent):
        if isinstance(content, bytes | bytearray | memoryview | str):
            return _of_text(content, content_type, tables, is_packed=is_packed)
        if (source := source_of(content)) is not None:
            return _of_source(source, content_type, tables, is_packed=is_packed)
        codec = codec_of(content, tables)
    if codec is None:
        encoded = content
    else:
        chosen = tables.get(codec)
        takes_long = is_large(content) or not is_loaded(chosen)
        encoded = _in_thread_if(takes_long, chosen.encode, content)
    encoded = check_upload(encoded, content_type)
    return Upload(encoded.content_type, encoded.content, types=dict(encoded.types))


def _of_text(
    content: bytes | bytearray | memoryview | str,
    content_type: str,
    tables: TableRegistry,
    *,
    is_packed: bool,
) -> Upload:
    size = content.nbytes if isinstance(content, memoryview) else len(content)
    ready = _in_thread_if(
        size >= _LARGE, check_text_content, content, content_type, is_packed=is_packed
    )
    if isinstance(ready, TableContent):
        return Upload(ready.content_type, ready.content)
    data, kind = ready
    if kind == "gzip":
        return Upload(content_type, data, encoding="gzip")
    return _of_frame(data, kind, tables)


def _of_frame(data: bytes | str, kind: Format, tables: TableRegistry) -> Upload:
    """Return the table in a file of Parquet or Arrow, or in its bytes."""

    def encode() -> TableContent:
        frame = read_frame(data, kind)
        return codec_of(frame, tables).encode(frame)

    encoded = call_blocking(encode)
    return Upload(encoded.content_type, encoded.content, types=dict(encoded.types))


def _of_source(
    source: ContentSource, content_type: str, tables: TableRegistry, *, is_packed: bool
) -> Upload:
    start = source.peek()
    if is_packed:
        return Upload(content_type, stream=ContentStream(source), length=source.length)
    kind, is_gzip = format_of(start, source.name)
    if kind in ("parquet", "arrow"):
        if source.path is not None:
            return _of_frame(source.path, kind, tables)
        return _of_frame(source.read_all(), kind, tables)
    if kind == "json lines":
        return Upload(JSON, stream=ContentStream(source, as_list=True))
    if kind == "json":
        content_type = JSON
    skipped = len(BOM) if media_type(content_type) == JSON and start.startswith(BOM) else 0
    return Upload(
        content_type,
        stream=ContentStream(source, skipped=skipped),
        encoding="gzip" if is_gzip else None,
        length=None if source.length is None else source.length - skipped,
    )


def _in_thread_if(large: bool, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return call_blocking(call, *args, **kwargs) if large else call(*args, **kwargs)


def upload_request(
    requests: RequestBuilder,
    key: str,
    upload: Upload,
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
            body = call_blocking(compress, body, requests.compression)
    length = len(body) if upload.stream is None else upload.length
    if length is None:
        headers["transfer-encoding"] = b"chunked"
    else:
        headers["content-length"] = str(length).encode()
    return requests.upload(key, headers, body, upload.stream)
