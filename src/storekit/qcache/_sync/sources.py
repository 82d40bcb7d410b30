# Generated from src/storekit/qcache/_async/sources.py by tools/generate_sync.py; do not edit.

"""Sources of content that is streamed: a path, an open file, or an iterator."""

# ruff: noqa: ANN401 - files and iterators are of any type until they are looked at

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any, Protocol

import httpx

from storekit.core.seam._sync import call_blocking, call_user_function
from storekit.qcache.formats import PEEK, JsonLines

__all__ = [
    "ContentSource",
    "ContentStream",
    "Readable",
    "Streamed",
    "is_used_up",
    "source_of",
]

_PIECE = 256 * 1024
"""Bytes that are read from a file at once."""


class Readable(Protocol):
    """An open file."""

    def read(self, size: int, /) -> bytes | str:
        """Return at most `size` of the next bytes or characters; empty at the end."""


Streamed = os.PathLike[str] | Readable | Iterable[bytes | str] | Iterable[bytes | str]
"""Content that is streamed: a path, an open file, or an iterator of bytes or text."""


class ContentSource(ABC):
    """A source of content. `pieces` may be called again if it is `repeatable`."""

    path: str | None = None
    name: str = ""
    length: int | None = None
    repeatable: bool = True

    @abstractmethod
    def peek(self) -> bytes:
        """Return the first bytes, which `pieces` still includes."""

    @abstractmethod
    def pieces(self) -> Generator[bytes, None, None]:
        """Return the content piece by piece."""

    def read_all(self) -> bytes:
        """Return all of the content."""
        whole = bytearray()
        for piece in self.pieces():
            whole += piece
        return bytes(whole)


class _PathSource(ContentSource):
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
                # Not more than the length that was announced, even if the file has grown.
                piece = call_blocking(file.read, _PIECE if left is None else min(left, _PIECE))
                if not piece:
                    return
                if left is not None:
                    left -= len(piece)
                yield piece
        finally:
            file.close()


class _FileSource(ContentSource):
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


class _IteratorSource(ContentSource):
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


class ContentStream(httpx.SyncByteStream):
    """The content of an upload, read while it is sent."""

    def __init__(self, source: ContentSource, *, as_list: bool = False, skipped: int = 0) -> None:
        self._source = source
        self._skipped = skipped  # bytes at the beginning that are not sent
        self._as_list = as_list  # convert JSON lines to a list

    @property
    def repeatable(self) -> bool:
        """Whether the content can be sent again from the beginning."""
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


def source_of(content: object) -> "ContentSource | None":
    """Return the source of content that is to be streamed, None for other content."""
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
