"""Sources of content that is streamed: a path, an open file, or an iterator."""

# ruff: noqa: ANN401 - files and iterators are of any type until they are looked at

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Protocol

import httpx

from storekit.core.seam._async import call_blocking, call_user_function
from storekit.qcache.formats import PEEK, JsonLines

__all__ = [
    "AsyncContentSource",
    "AsyncContentStream",
    "AsyncReadable",
    "AsyncStreamed",
    "is_used_up",
    "source_of",
]

_PIECE = 256 * 1024
"""Bytes that are read from a file at once."""


class AsyncReadable(Protocol):
    """An open file."""

    def read(self, size: int, /) -> bytes | str | Awaitable[bytes | str]:
        """Return at most `size` of the next bytes or characters; empty at the end."""


AsyncStreamed = (
    os.PathLike[str] | AsyncReadable | Iterable[bytes | str] | AsyncIterable[bytes | str]
)
"""Content that is streamed: a path, an open file, or an iterator of bytes or text."""


class AsyncContentSource(ABC):
    """A source of content. `pieces` may be called again if it is `repeatable`."""

    path: str | None = None
    name: str = ""
    length: int | None = None
    repeatable: bool = True

    @abstractmethod
    async def peek(self) -> bytes:
        """Return the first bytes, which `pieces` still includes."""

    @abstractmethod
    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Return the content piece by piece."""

    async def read_all(self) -> bytes:
        """Return all of the content."""
        whole = bytearray()
        async for piece in self.pieces():
            whole += piece
        return bytes(whole)


class _PathSource(AsyncContentSource):
    def __init__(self, path: str | bytes) -> None:
        self.path = self.name = os.fsdecode(path)

    async def peek(self) -> bytes:
        def peek() -> bytes:
            with open(self.name, "rb") as file:
                self.length = os.fstat(file.fileno()).st_size or None
                return file.read(PEEK)

        return await call_blocking(peek)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        file = await call_blocking(open, self.name, "rb")
        try:
            left = self.length
            while left is None or left > 0:
                # Not more than the length that was announced, even if the file has grown.
                piece = await call_blocking(
                    file.read, _PIECE if left is None else min(left, _PIECE)
                )
                if not piece:
                    return
                if left is not None:
                    left -= len(piece)
                yield piece
        finally:
            file.close()


class _FileSource(AsyncContentSource):
    def __init__(self, file: Any) -> None:
        self._file = file
        name = getattr(file, "name", "")
        self.name = name if isinstance(name, str) else ""
        self._start: int | None = None
        self.repeatable = False
        self._head = b""

    async def peek(self) -> bytes:
        self._start = await self._tell()
        self.repeatable = self._start is not None
        self._head = await self._read(PEEK)
        return self._head

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        if self._head or not self.repeatable:
            head, self._head = self._head, b""
            if head:
                yield head
        else:
            await self._call(self._file.seek, self._start)
        while piece := await self._read(_PIECE):
            yield piece

    async def _tell(self) -> int | None:
        try:
            position = await self._call(self._file.tell)
        except (AttributeError, OSError, ValueError):
            return None
        seekable = getattr(self._file, "seekable", None)
        if seekable is None or not await self._call(seekable):
            return None
        return position if isinstance(position, int) else None

    async def _read(self, size: int) -> bytes:
        return _as_bytes(await self._call(self._file.read, size), "read() of the file")

    @staticmethod
    async def _call(method: Callable[..., Any], *args: Any) -> Any:
        return await call_user_function(partial(method, *args), {})


class _IteratorSource(AsyncContentSource):
    repeatable = False

    def __init__(self, pieces: Any) -> None:
        self._pieces = _iterate(pieces)
        self._first: list[bytes] = []

    async def peek(self) -> bytes:
        while sum(map(len, self._first)) < 64 and (piece := await self._next()) is not None:
            self._first.append(piece)
        return b"".join(self._first)[:PEEK]

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        first, self._first = self._first, []
        for piece in first:
            yield piece
        while (more := await self._next()) is not None:
            yield more

    async def _next(self) -> bytes | None:
        if hasattr(self._pieces, "__anext__"):
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                return None
        else:
            piece = await call_user_function(partial(next, self._pieces, None), {})
            if piece is None:
                return None
        return _as_bytes(piece, "an iterator that is posted")


def _iterate(pieces: Any) -> Any:
    if hasattr(pieces, "__aiter__"):
        return aiter(pieces)
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


class AsyncContentStream(httpx.AsyncByteStream):
    """The content of an upload, read while it is sent."""

    def __init__(
        self, source: AsyncContentSource, *, as_list: bool = False, skipped: int = 0
    ) -> None:
        self._source = source
        self._skipped = skipped  # bytes at the beginning that are not sent
        self._as_list = as_list  # convert JSON lines to a list

    @property
    def repeatable(self) -> bool:
        """Whether the content can be sent again from the beginning."""
        return self._source.repeatable

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        lines = JsonLines() if self._as_list else None
        pieces = self._source.pieces()
        skipped = self._skipped
        try:
            async for piece in pieces:
                kept = piece[skipped:] if skipped else piece
                skipped -= len(piece) - len(kept)
                yield kept if lines is None else lines.feed(kept)
        finally:
            await pieces.aclose()
        if lines is not None:
            yield lines.end()


def source_of(content: object) -> "AsyncContentSource | None":
    """Return the source of content that is to be streamed, None for other content."""
    if isinstance(content, os.PathLike):
        return _PathSource(os.fspath(content))
    if callable(getattr(content, "read", None)):
        return _FileSource(content)
    if hasattr(content, "__next__") or hasattr(content, "__anext__"):
        return _IteratorSource(content)
    if isinstance(content, AsyncIterable) and not hasattr(content, "__len__"):
        return _IteratorSource(content)
    return None


def is_used_up(content: object) -> bool:
    """Whether content that was posted can't be posted again: a file, or an iterator."""
    return any(hasattr(content, name) for name in ("read", "__next__", "__anext__"))
