# Generated from src/storekit/transfer/_async/source.py by tools/generate_sync.py; do not edit.

"""Yields all entries of a store, some at a time."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from storekit.core.seam._sync import run_all
from storekit.qdb.cursor import Cursor
from storekit.qdb.engine import EntryType, Session, WholeEntry
from storekit.qdb.errors import NotImplementedByStore
from storekit.transfer._sync.reading import EntryReader
from storekit.transfer.marker import MARKER, closes_document
from storekit.transfer.records import size_of_content, size_of_contents
from storekit.transfer.spool import AliasSpool

__all__ = ["EntrySource"]

_PAGE = 512  # entries
_PAGE_BYTES = 4 << 20
_NOT_BLOBS = (
    EntryType.INTEGER,
    EntryType.DOUBLE,
    EntryType.STRING,
    EntryType.TIMESTAMP,
    EntryType.TAG,
)


class _Pages(Protocol):
    def next_page(self) -> list[WholeEntry] | None: ...

    def close(self) -> None: ...


class EntrySource:
    """Reads all entries of a store; those that are not changed meanwhile exactly once.

    With `in_order`, entries that make documents look complete come last. Aliases in `without` are
    left out.
    """

    def __init__(
        self, store: EntryReader, *, in_order: bool = True, without: AliasSpool | None = None
    ) -> None:
        self._store = store
        self._in_order = in_order
        self._without = without
        self._pages: _Pages | None = None
        self._last = [AliasSpool(), AliasSpool()]  # aliases to return last, in this order
        self._over = False
        self._given = 0  # number of entries returned of the first of these

    def next_page(self) -> list[WholeEntry] | None:
        """Return some entries, possibly none; None at the end."""
        while not self._over:
            if self._pages is None:
                self._pages = _open(self._store)
            page = self._pages.next_page()
            if page is not None:
                return self._sorted_out(page)
            self._over = True
            self._pages.close()
        while self._last:
            aliases = self._last[0].page(self._given, _PAGE, _PAGE_BYTES)
            if aliases:
                self._given += len(aliases)
                found = self._store.read(aliases, tags=True)
                return [entry for entry in found if entry is not None]
            self._last.pop(0).close()
            self._given = 0
        return None

    def feed(
        self,
        use: Callable[[list[WholeEntry]], None],
        *,
        ahead: Callable[[int], bool],
    ) -> None:
        """Pass all pages to a function.

        `ahead` gets the size of the contents of a page in bytes, and returns whether the next
        page is to be read while the function processes this one.
        """
        try:
            page = self.next_page()
            while page is not None:
                if ahead(size_of_contents(page)):
                    page = self._use_and_read_on(use, page)
                else:
                    use(page)
                    page = None  # free its memory before the next one is read
                    page = self.next_page()
        finally:
            self.close()

    def _use_and_read_on(
        self, use: Callable[[list[WholeEntry]], None], page: list[WholeEntry]
    ) -> list[WholeEntry] | None:
        following: list[list[WholeEntry] | None] = []

        def read_on() -> None:
            following.append(self.next_page())

        calls: list[Callable[[], None]] = [partial(use, page), read_on]
        run_all(calls)
        return following[0]

    def _sorted_out(self, page: list[WholeEntry]) -> list[WholeEntry]:
        """Return the entries to return now, and collect the others."""
        now: list[WholeEntry] = []
        later: tuple[list[tuple[str, int]], ...] = ([], [])
        for entry in page:
            alias = entry.alias
            if alias == MARKER or (self._without is not None and alias in self._without):
                continue
            closing = closes_document(alias) if self._in_order else 0
            if closing:
                later[closing - 1].append((alias, size_of_content(entry)))
            else:
                now.append(entry)
        for spool, sized in zip(self._last, later, strict=True):
            if sized:
                spool.add_sized(sized)
        return now

    def close(self) -> None:
        """Close cursor and files. May be called twice."""
        if self._pages is not None:
            self._pages.close()
        for spool in self._last:
            spool.close()


def _open(store: EntryReader) -> _Pages:
    pages = _Walk(store)
    try:
        pages.begin()
    except NotImplementedByStore:
        return _Listing(store)
    return pages


class _Walk:
    """The entries of a store that can list all of them completely, i.e. an embedded one."""

    def __init__(self, store: EntryReader) -> None:
        self._store = store
        self._cursor: object = None
        self._first: list[WholeEntry] | None = None
        self._over = False

    def begin(self) -> None:
        self._first = self._fetch()

    def next_page(self) -> list[WholeEntry] | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return None if self._over else self._fetch()

    def _fetch(self) -> list[WholeEntry]:
        walk = partial(_walk, cursor=self._cursor)
        page, self._cursor = self._store.calls.call(self._store.operation, None, walk, reads=True)
        self._over = self._cursor is None
        return page

    def close(self) -> None:
        """Do nothing: there is no cursor."""


class _Listing:
    """The entries of a cluster, which iterates over blobs, and finds aliases of other types.

    The remaining details are read for many entries at a time. An entry whose type changes meanwhile
    could come twice, so the aliases that were returned are recorded.
    """

    def __init__(self, store: EntryReader) -> None:
        self._store = store
        self._cursor: Cursor | None = None
        self._number = 0
        self._tagged: bool | None = None
        self._types = list(_NOT_BLOBS)
        self._type = EntryType.BLOB
        self._listed: list[str] = []
        self._blobs_over = False
        self._given = AliasSpool()

    def next_page(self) -> list[WholeEntry] | None:
        if self._tagged is None:
            self._tagged = self._store.has_tags()
        if not self._blobs_over:
            return self._blobs()
        while not self._listed:
            if not self._types:
                return None
            self._type = self._types.pop(0)
            self._listed = self._store.find(f"find(type={self._type.name.lower()})")
        aliases = [alias for alias in self._listed[-_PAGE:] if alias not in self._given]
        found = self._describe(aliases, None)
        del self._listed[-_PAGE:]
        return found

    def _blobs(self) -> list[WholeEntry]:
        if self._cursor is None:
            self._cursor = self._store.calls.open_cursor()
        self._number += 1
        blobs, self._blobs_over = self._store.calls.fetch(self._cursor, self._number, _PAGE)
        found = self._describe([alias for alias, _ in blobs], [each for _, each in blobs])
        if self._blobs_over:
            self._close_cursor()
        return found

    def _describe(self, aliases: list[str], contents: list[bytes] | None) -> list[WholeEntry]:
        found = self._store.read(
            aliases,
            contents,
            tags=bool(self._tagged),
            types=[self._type] * len(aliases),
        )
        there = [entry for entry in found if entry is not None]
        self._given.add(entry.alias for entry in there)
        return there

    def close(self) -> None:
        self._close_cursor()
        self._given.close()

    def _close_cursor(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            self._store.calls.close_later(cursor)


def _walk(session: Session, cursor: object) -> tuple[list[WholeEntry], object]:
    return session.walk_entries(cursor, _PAGE)
