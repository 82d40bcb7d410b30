# Generated from src/storekit/qdb/_async/iterator.py by tools/generate_sync.py; do not edit.

"""Iteration over a whole store."""

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, overload

from storekit.codecs.base import Codec
from storekit.errors import ClientClosed
from storekit.qdb._typing import Value
from storekit.qdb.cursor import Cursor
from storekit.qdb.engine import Session
from storekit.qdb.errors import AliasNotFound, IncompatibleType
from storekit.qdb.methods import bound

if TYPE_CHECKING:
    from storekit.qdb._sync.store import Store

__all__ = ["ForwardIterator", "RawForwardIterator"]

_CHUNK = 128
_ALL = 2**31 - 1


class RawForwardIterator(Generic[Value]):
    """A forward iterator over all blobs of a store, as pairs of alias and content.

    Entries come in no particular order, and are fetched in chunks. One that is not changed
    during the iteration comes exactly once, one that is changed at most once. Entries of other
    types are left out. Content that the codec can't decode raises `CodecError`; the next step
    continues with the entry after it.

    The iteration has its own session, which is closed at the end, by `close`, or with the
    client. A step that was cancelled can be repeated; so can one that failed in an embedded
    store. On a cluster, the first error after the first step ends the iteration: the entries
    found before it come first, then every step raises that error.

    One caller at a time: a step during another one raises `RuntimeError`.
    """

    @overload
    def __init__(
        self,
        qdb_iter: "Store[Any, Any, Any, Value]",
        chunk_size: int = _CHUNK,
        *,
        prefix: str = "",
    ) -> None: ...
    @overload
    def __init__(
        self,
        qdb_iter: "Store[Any, Any, Any, Any]",
        chunk_size: int = _CHUNK,
        *,
        codec: Codec[Value],
        prefix: str = "",
    ) -> None: ...
    @overload
    def __init__(
        self: "RawForwardIterator[Any]",
        qdb_iter: "Store[Any, Any, Any, Any]",
        chunk_size: int = _CHUNK,
        *,
        codec: str,
        prefix: str = "",
    ) -> None: ...
    def __init__(
        self,
        qdb_iter: "Store[Any, Any, Any, Any]",
        chunk_size: int = _CHUNK,
        *,
        codec: Codec[Any] | str | None = None,
        prefix: str = "",
    ) -> None:
        """Make an iterator over the store of a client; nothing is sent yet.

        Args:
            qdb_iter: The client.
            chunk_size: How many entries are fetched, and held in memory, at a time.
            codec: The codec of the values, instead of that of the client.
            prefix: Iterate over aliases that start with this text. They are listed first, by
                one call, and come in the order of their bytes, without a separate session.

        """
        self._calls = qdb_iter._calls  # noqa: SLF001 - a part of the client
        self._conversion = qdb_iter._conversion  # noqa: SLF001
        self._codec = self._conversion.chosen(codec)
        self._size = chunk_size
        self._prefix = self._conversion.part("iterate", prefix) if prefix else ""
        self._listed: list[str] | None = None  # aliases with the prefix, from the last to the first
        self._cursor: Cursor | None = None
        self._number = 1
        self._chunk: deque[tuple[str, bytes]] = deque()
        self._over = False
        self._in_step = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[str, Value]:
        if not self._in_step.acquire(blocking=False):
            raise RuntimeError(
                "the iterator is already in use by another caller; create one iterator for each"
            )
        try:
            while not self._chunk:
                self._fill()
            chunk = self._chunk  # `close` may replace it during the decoding
            text, content = chunk.popleft()
            try:
                value = self._conversion.decode(self._codec, text, content)
            except Exception:
                raise
            except BaseException:
                chunk.appendleft((text, content))  # cancelled: kept for the next step
                raise
        finally:
            self._in_step.release()
        return self._conversion.found(text), value

    def _fill(self) -> None:
        """Fetch the next chunk."""
        if self._over:
            raise StopIteration
        if self._prefix:
            self._fill_from_list()
            return
        try:
            with self._calls.watch("iterate"):
                if self._cursor is None:
                    self._cursor = self._calls.open_cursor()
                fetched = self._calls.fetch(self._cursor, self._number, self._size)
        except ClientClosed:
            self._end()
            if self._over:  # the iterator was closed, not the client
                raise StopIteration from None
            raise
        if self._over:
            self._end()
            raise StopIteration
        self._number += 1
        self._chunk.extend(fetched[0])
        self._over = fetched[1]
        if self._over:
            self._end()

    def _fill_from_list(self) -> None:
        """Fetch the next chunk of the entries with the prefix."""
        if self._listed is None:
            listing = bound(Session.prefix_get, self._prefix, _ALL)
            listed = self._calls.call("iterate", self._prefix, listing, reads=True)
            self._listed = listed[::-1]
        if not self._listed:
            raise StopIteration
        texts = self._listed[: -self._size - 1 : -1]
        contents = self._calls.get_many("iterate", texts)
        del self._listed[-len(texts) :]
        for text, content in zip(texts, contents, strict=True):
            if isinstance(content, AliasNotFound | IncompatibleType):
                continue  # removed meanwhile, or not a blob
            if isinstance(content, Exception):
                raise content
            self._chunk.append((text, bytes(content)))

    def close(self) -> None:
        """End the iteration and close its session."""
        self._over = True
        self._chunk = deque()
        self._end()

    def _end(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            self._calls.close_later(cursor)

    def __del__(self) -> None:
        if getattr(self, "_cursor", None) is not None:
            self._end()


class ForwardIterator(RawForwardIterator[Value]):
    """A forward iterator over all blobs of a store, with any objects as aliases."""

    def __next__(self) -> tuple[Any, Value]:
        return super().__next__()
