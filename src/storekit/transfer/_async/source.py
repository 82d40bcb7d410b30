"""All entries of a store, some at a time."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from storekit.core.seam._async import run_all
from storekit.qdb._async.calls import AsyncCaller
from storekit.qdb.cursor import Cursor
from storekit.qdb.engine import EntryType, Session, WholeEntry
from storekit.qdb.errors import NotImplementedByStore
from storekit.transfer.marker import MARKER, closes_document
from storekit.transfer.records import size_of_content
from storekit.transfer.spool import AliasSpool

__all__ = ["AsyncEntrySource", "has_tags", "read_entries", "waits"]

_PAGE = 512  # entries
_PAGE_BYTES = 4 << 20
_DESCRIBED = 32  # entries of a cluster that one call describes; each takes two ways to it
_NOT_BLOBS = (
    EntryType.INTEGER,
    EntryType.DOUBLE,
    EntryType.STRING,
    EntryType.TIMESTAMP,
    EntryType.TAG,
)


class _Pages(Protocol):
    async def next_page(self) -> list[WholeEntry] | None: ...

    def close(self) -> None: ...


class AsyncEntrySource:
    """Goes through a store: an entry that nobody touches meanwhile comes exactly once.

    What makes documents look whole comes last, with `in_order`. What is in `without` is left out.
    """

    def __init__(
        self,
        calls: AsyncCaller,
        operation: str,
        *,
        in_order: bool = True,
        without: AliasSpool | None = None,
    ) -> None:
        self._calls = calls
        self._operation = operation
        self._in_order = in_order
        self._without = without
        self._pages: _Pages | None = None
        self._last = [AliasSpool(), AliasSpool()]  # what is to come last, one after the other
        self._over = False
        self._given = 0  # of the first of these

    async def next_page(self) -> list[WholeEntry] | None:
        """Return some entries, perhaps none; None at the end."""
        while not self._over:
            if self._pages is None:
                self._pages = await _open(self._calls, self._operation)
            page = await self._pages.next_page()
            if page is not None:
                return self._sorted_out(page)
            self._over = True
            self._pages.close()
        while self._last:
            aliases = self._last[0].page(self._given, _PAGE, _PAGE_BYTES)
            if aliases:
                self._given += len(aliases)
                found = await read_entries(self._calls, self._operation, aliases, tags=True)
                return [entry for entry in found if entry is not None]
            self._last.pop(0).close()
            self._given = 0
        return None

    async def feed(
        self, use: Callable[[list[WholeEntry]], Awaitable[None]], *, ahead: bool
    ) -> None:
        """Give all pages to a function; with `ahead`, read the next one while that is at work."""
        try:
            page = await self.next_page()
            while page is not None:
                if not ahead:
                    await use(page)
                    page = await self.next_page()
                    continue
                following: list[list[WholeEntry] | None] = []

                async def read_on(into: list[list[WholeEntry] | None] = following) -> None:
                    into.append(await self.next_page())

                calls: list[Callable[[], Awaitable[None]]] = [partial(use, page), read_on]
                await run_all(calls)
                page = following[0]
        finally:
            self.close()

    def _sorted_out(self, page: list[WholeEntry]) -> list[WholeEntry]:
        """Return what is to come now."""
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
        """End it before its end. Closing twice is fine."""
        if self._pages is not None:
            self._pages.close()
        for spool in self._last:
            spool.close()


async def _open(calls: AsyncCaller, operation: str) -> _Pages:
    pages = _AsyncWalk(calls, operation)
    try:
        await pages.begin()
    except NotImplementedByStore:
        return _AsyncListing(calls, operation)
    return pages


class _AsyncWalk:
    """The entries of a store that gives all of them, with all that belongs to them."""

    def __init__(self, calls: AsyncCaller, operation: str) -> None:
        self._calls = calls
        self._operation = operation
        self._cursor: object = None
        self._first: list[WholeEntry] | None = None
        self._over = False

    async def begin(self) -> None:
        self._first = await self._fetch()

    async def next_page(self) -> list[WholeEntry] | None:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return None if self._over else await self._fetch()

    async def _fetch(self) -> list[WholeEntry]:
        walk = partial(_walk, cursor=self._cursor)
        page, self._cursor = await self._calls.call(self._operation, None, walk, reads=True)
        self._over = self._cursor is None
        return page

    def close(self) -> None:
        """There is nothing to close."""


class _AsyncListing:
    """The entries of a cluster, which gives blobs one by one, and lists what is of other types.

    What else belongs to an entry is asked for, for many at the same time.
    """

    def __init__(self, calls: AsyncCaller, operation: str) -> None:
        self._calls = calls
        self._operation = operation
        self._cursor: Cursor | None = None
        self._number = 0
        self._tagged: bool | None = None
        self._types = list(_NOT_BLOBS)
        self._listed: list[str] = []
        self._blobs_over = False

    async def next_page(self) -> list[WholeEntry] | None:
        if self._tagged is None:
            self._tagged = await has_tags(self._calls, self._operation)
        if not self._blobs_over:
            return await self._blobs()
        while not self._listed:
            if not self._types:
                return None
            query = f"find(type={self._types.pop(0).name.lower()})"
            find = partial(_find, query=query)
            self._listed = await self._calls.call(self._operation, None, find, reads=True)
        aliases = self._listed[-_PAGE:]
        found = await self._describe(aliases, None)
        del self._listed[-_PAGE:]
        return found

    async def _blobs(self) -> list[WholeEntry]:
        if self._cursor is None:
            self._cursor = await self._calls.open_cursor()
        self._number += 1
        blobs, self._blobs_over = await self._calls.fetch(self._cursor, self._number, _PAGE)
        found = await self._describe([alias for alias, _ in blobs], [each for _, each in blobs])
        if self._blobs_over:
            self.close()
        return found

    async def _describe(self, aliases: list[str], contents: list[bytes] | None) -> list[WholeEntry]:
        found = await read_entries(
            self._calls, self._operation, aliases, contents, tags=bool(self._tagged)
        )
        return [entry for entry in found if entry is not None]

    def close(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            self._calls.close_later(cursor)


def waits(calls: AsyncCaller) -> bool:
    """Return whether calls of a store wait for something, so that several at a time gain by it.

    Two threads in SQLite wait for each other and for the interpreter's lock: with them, a copy
    between embedded stores took half as long again.
    """
    return not calls.address.startswith("embedded:")


async def read_entries(
    calls: AsyncCaller,
    operation: str,
    aliases: Sequence[str],
    contents: Sequence[bytes] | None = None,
    *,
    tags: bool,
) -> list[WholeEntry | None]:
    """Return entries of any type, None for those that are not there.

    `contents` are those of blobs that are known. Without `tags`, a cluster is not asked for them.
    """
    size = _DESCRIBED if waits(calls) else len(aliases)
    reads = [
        partial(
            _read,
            calls,
            operation,
            aliases[start : start + size],
            None if contents is None else contents[start : start + size],
            tags,
        )
        for start in range(0, len(aliases), max(1, size))
    ]
    if len(reads) == 1:
        return await reads[0]()
    return [entry for some in await run_all(reads) for entry in some]


async def _read(
    calls: AsyncCaller,
    operation: str,
    aliases: Sequence[str],
    contents: Sequence[bytes] | None,
    tags: bool,
) -> list[WholeEntry | None]:
    def read(session: Session) -> list[WholeEntry | None]:
        return session.read_entries(aliases, contents, tags)

    return await calls.call(operation, None, read, reads=True)


async def has_tags(calls: AsyncCaller, operation: str) -> bool:
    """Return whether there is any tag in a store."""
    find = partial(_find, query="find(type=tag)")
    return bool(await calls.call(operation, None, find, reads=True))


def _walk(session: Session, cursor: object) -> tuple[list[WholeEntry], object]:
    return session.walk_entries(cursor, _PAGE)


def _find(session: Session, query: str) -> list[str]:
    return session.find(query)
