# Generated from src/storekit/qcache/_async/uploads.py by tools/generate_sync.py; do not edit.

"""What can be posted, on its way to bytes: tables, text, files, and pieces as they come."""

# ruff: noqa: ANN401 - tables and files are of any type until they are looked at

import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import httpx

from storekit.codecs.tables.base import JSON, TableCodec, TableContent, media_type
from storekit.codecs.tables.registry import TableRegistry
from storekit.core.seam._sync import call_blocking, call_user_function
from storekit.qcache.formats import BOM, PEEK, Format, JsonLines, format_of
from storekit.qcache.tables import (
    check_text_content,
    check_upload,
    codec_of,
    is_large,
    read_frame,
)

__all__ = ["Readable", "Streamed", "Upload", "is_used_up", "prepare_upload"]

_PIECE = 256 * 1024
"""Bytes of a file that are read at once."""


class Readable(Protocol):
    """An open file."""

    def read(self, size: int, /) -> bytes | str:
        """Return the next bytes or characters, at most `size` of them, and none at the end."""


Streamed = os.PathLike[str] | Readable | Iterable[bytes | str] | Iterable[bytes | str]
"""Content that is streamed: a path, an open file, or an iterator of bytes or text."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What is uploaded: content, or a stream of it, with what the headers say of it."""

    content_type: str
    content: bytes = b""
    stream: "_Stream | None" = None
    types: dict[str, str] = field(default_factory=dict)
    encoding: str | None = None  # in which it is already
    length: int | None = None  # of the stream, where it is known


def prepare_upload(
    content: object,
    content_type: str,
    codec: TableCodec[Any] | str | None,
    tables: TableRegistry,
    *,
    is_packed: bool = False,
) -> Upload:
    """Return what to upload of what a caller posts.

    `content_type` counts for bytes and text, unless these are evidently JSON; `is_packed`
    says that the caller has packed them. Raises `TypeError`, `ValueError`.
    """
    if codec is None and not isinstance(content, TableContent):
        if isinstance(content, bytes | bytearray | memoryview | str):
            return _of_text(content, content_type, tables, is_packed=is_packed)
        if (source := _source_of(content)) is not None:
            return _of_source(source, content_type, tables, is_packed=is_packed)
        codec = codec_of(content, tables)
    if codec is None:
        encoded = content
    else:
        encoded = _in_thread_if(is_large(content), tables.get(codec).encode, content)
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
        size >= _PIECE, check_text_content, content, content_type, is_packed=is_packed
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
    source: "_Source", content_type: str, tables: TableRegistry, *, is_packed: bool
) -> Upload:
    start = source.peek()
    if is_packed:
        return Upload(content_type, stream=_Stream(source), length=source.length)
    kind, is_gzip = format_of(start, source.name)
    if kind in ("parquet", "arrow"):
        if source.path is not None:
            return _of_frame(source.path, kind, tables)
        return _of_frame(source.read_all(), kind, tables)
    if kind == "json lines":
        return Upload(JSON, stream=_Stream(source, as_list=True))
    if kind == "json":
        content_type = JSON
    skipped = len(BOM) if media_type(content_type) == JSON and start.startswith(BOM) else 0
    return Upload(
        content_type,
        stream=_Stream(source, skipped=skipped),
        encoding="gzip" if is_gzip else None,
        length=None if source.length is None else source.length - skipped,
    )


def _in_thread_if(large: bool, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return call_blocking(call, *args, **kwargs) if large else call(*args, **kwargs)


def _source_of(content: object) -> "_Source | None":
    """Return content that is streamed; None for what may be a table."""
    if isinstance(content, os.PathLike):
        return _PathSource(os.fspath(content))
    if callable(getattr(content, "read", None)):
        return _FileSource(content)
    if hasattr(content, "__next__") or hasattr(content, "__next__"):
        return _IteratorSource(content)
    if isinstance(content, Iterable) and not hasattr(content, "__len__"):
        return _IteratorSource(content)
    return None


def is_used_up(content: object) -> bool:
    """Whether content that was posted can't be posted again: a file, or an iterator."""
    return any(hasattr(content, name) for name in ("read", "__next__", "__next__"))


class _Source:
    """Where content comes from. `pieces` may be asked for again if it is `repeatable`."""

    path: str | None = None
    name: str = ""
    length: int | None = None
    repeatable: bool = True

    def peek(self) -> bytes:
        """Return the first bytes, which `pieces` gives all the same."""
        raise NotImplementedError

    def pieces(self) -> Generator[bytes, None, None]:
        """Return the content piece by piece."""
        raise NotImplementedError

    def read_all(self) -> bytes:
        """Return all of the content."""
        whole = bytearray()
        for piece in self.pieces():
            whole += piece
        return bytes(whole)


class _PathSource(_Source):
    def __init__(self, path: str | bytes) -> None:
        self.path = self.name = os.fsdecode(path)

    def peek(self) -> bytes:
        def peek() -> bytes:
            with open(self.name, "rb") as file:
                self.length = os.fstat(file.fileno()).st_size or None
                return file.read(PEEK)

        return call_blocking(peek)

    def pieces(self) -> Generator[bytes, None, None]:
        file = call_blocking(open, self.name, "rb")
        try:
            left = self.length
            while left is None or left > 0:
                # No more than was announced, if somebody writes to the file meanwhile.
                piece = call_blocking(file.read, _PIECE if left is None else min(left, _PIECE))
                if not piece:
                    return
                if left is not None:
                    left -= len(piece)
                yield piece
        finally:
            file.close()


class _FileSource(_Source):
    def __init__(self, file: Any) -> None:
        self._file = file
        name = getattr(file, "name", "")
        self.name = name if isinstance(name, str) else ""
        self._start: int | None = None
        self.repeatable = False
        self._head = b""

    def peek(self) -> bytes:
        self._start = self._tell()
        self.repeatable = self._start is not None
        self._head = self._read(PEEK)
        return self._head

    def pieces(self) -> Generator[bytes, None, None]:
        if self._head or not self.repeatable:
            head, self._head = self._head, b""
            if head:
                yield head
        else:
            self._call(self._file.seek, self._start)
        while piece := self._read(_PIECE):
            yield piece

    def _tell(self) -> int | None:
        try:
            position = self._call(self._file.tell)
        except (AttributeError, OSError, ValueError):
            return None
        seekable = getattr(self._file, "seekable", None)
        if seekable is None or not self._call(seekable):
            return None
        return position if isinstance(position, int) else None

    def _read(self, size: int) -> bytes:
        return _as_bytes(self._call(self._file.read, size), "read() of the file")

    @staticmethod
    def _call(method: Callable[..., Any], *args: Any) -> Any:
        return call_user_function(partial(method, *args), {})


class _IteratorSource(_Source):
    repeatable = False

    def __init__(self, pieces: Any) -> None:
        self._pieces = _iterate(pieces)
        self._first: list[bytes] = []

    def peek(self) -> bytes:
        while sum(map(len, self._first)) < 64 and (piece := self._next()) is not None:
            self._first.append(piece)
        return b"".join(self._first)[:PEEK]

    def pieces(self) -> Generator[bytes, None, None]:
        first, self._first = self._first, []
        for piece in first:
            yield piece
        while (more := self._next()) is not None:
            yield more

    def _next(self) -> bytes | None:
        if hasattr(self._pieces, "__next__"):
            try:
                piece = next(self._pieces)
            except StopIteration:
                return None
        else:
            piece = call_user_function(partial(next, self._pieces, None), {})
            if piece is None:
                return None
        return _as_bytes(piece, "an iterator that is posted")


def _iterate(pieces: Any) -> Any:
    if hasattr(pieces, "__iter__"):
        return iter(pieces)
    return iter(pieces)


def _as_bytes(piece: object, whose: str) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, bytearray | memoryview):
        return bytes(piece)
    hint = "; post a list of the rows" if isinstance(piece, dict) else ""
    raise TypeError(f"content: {whose} must give bytes or str, not {type(piece).__name__}{hint}")


class _Stream(httpx.SyncByteStream):
    """The content of an upload, read while it is sent."""

    def __init__(self, source: _Source, *, as_list: bool = False, skipped: int = 0) -> None:
        self._source = source
        self._skipped = skipped  # bytes at the beginning that are not sent
        self._as_list = as_list  # JSON lines, sent as a list

    @property
    def repeatable(self) -> bool:
        """Whether the content can be sent once more after some of it was."""
        return self._source.repeatable

    def __iter__(self) -> Generator[bytes, None, None]:
        lines = JsonLines() if self._as_list else None
        pieces = self._source.pieces()
        skipped = self._skipped
        try:
            for piece in pieces:
                kept = piece[skipped:] if skipped else piece
                skipped -= len(piece) - len(kept)
                yield kept if lines is None else lines.feed(kept)
        finally:
            pieces.close()
        if lines is not None:
            yield lines.end()
