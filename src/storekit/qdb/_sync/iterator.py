# Generated from src/storekit/qdb/_async/iterator.py by tools/generate_sync.py; do not edit.

"""Iteration over a whole store."""

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from storekit.errors import ClientClosed
from storekit.qdb.scans import Scan

if TYPE_CHECKING:
    from storekit.qdb._sync.client import RawClient

__all__ = ["ForwardIterator", "RawForwardIterator"]

_CHUNK = 128


class RawForwardIterator:
    """A forward iterator over a whole cluster: gives pairs of alias and content.

    Entries come in chunks, in no particular order. What nobody touches meanwhile comes
    exactly once, what is touched at most once. Entries that hold no blob are left out.

    The walk has a session of its own, which is closed at its end, by `close`, or with the
    client. A step that was cancelled can be repeated, and one that failed in an embedded
    store. Over a cluster, the first error after the walk has begun ends it: what was found
    before comes first, then every step raises that error.

    One caller at a time: a step while another is under way raises `RuntimeError`.
    """

    def __init__(self, qdb_iter: "RawClient", chunk_size: int = _CHUNK) -> None:
        """Make an iterator over the store of a client; nothing is sent yet.

        `chunk_size` is how many entries are fetched, and held in memory, at a time.
        """
        self._client = qdb_iter
        self._size = chunk_size
        self._scan: Scan | None = None
        self._number = 1
        self._chunk: deque[tuple[str, bytes]] = deque()
        self._over = False
        self._in_step = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Any, Any]:
        if not self._in_step.acquire(blocking=False):
            raise RuntimeError(
                "the iterator is already in use: another caller is in a step of it; "
                "give each an iterator of its own"
            )
        try:
            while not self._chunk:
                self._fill()
            alias, content = self._chunk.popleft()
        finally:
            self._in_step.release()
        return self._client._entry(alias, content)  # noqa: SLF001 - made by it

    def _fill(self) -> None:
        """Fetch the next chunk."""
        if self._over:
            raise StopIteration
        try:
            with self._client._watch("iterate"):  # noqa: SLF001
                if self._scan is None:
                    self._scan = self._client._open_scan()  # noqa: SLF001
                fetched = self._client._fetch(self._scan, self._number, self._size)  # noqa: SLF001
        except ClientClosed:
            self._end()
            if self._over:  # somebody has closed this, and not the client
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

    def close(self) -> None:
        """End the iteration and close its session."""
        self._over = True
        self._chunk.clear()
        self._end()

    def _end(self) -> None:
        scan, self._scan = self._scan, None
        if scan is not None:
            self._client._close_later(scan)  # noqa: SLF001

    def __del__(self) -> None:
        if getattr(self, "_scan", None) is not None:
            self._end()


class ForwardIterator(RawForwardIterator):
    """A forward iterator over a whole cluster with unpickled aliases and values.

    A value that can't be unpickled raises; the next step goes on with the entry after it.
    """
