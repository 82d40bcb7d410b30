"""Reads many entries of a store at a time, for transfers."""

from collections.abc import Sequence
from functools import partial

from storekit.core.seam._async import run_all
from storekit.qdb._async.calls import AsyncCaller
from storekit.qdb.documents.manifest import check_in_flight
from storekit.qdb.engine import EntryType, Session, WholeEntry
from storekit.qdb.errors import AliasNotFound
from storekit.transfer.errors import TransferUnfinished
from storekit.transfer.marker import MARKER, unfinished

__all__ = ["AsyncEntryReader"]

_TAGS = "find(type=tag)"


class AsyncEntryReader:
    """Reads entries of one store, in up to `in_flight` concurrent calls.

    None stands for 2, and for 1 for an embedded store: with two threads, which wait for SQLite and
    for the interpreter's lock, a copy between embedded stores took half as long again.
    """

    def __init__(self, calls: AsyncCaller, operation: str, in_flight: int | None) -> None:
        embedded = calls.address.startswith("embedded:")
        self.calls = calls
        self.operation = operation
        self.in_flight: int = (
            check_in_flight(in_flight) if in_flight is not None else 1 if embedded else 2
        )

    @property
    def waits(self) -> bool:
        """Whether concurrent calls save time."""
        return self.in_flight > 1

    async def read(
        self,
        aliases: Sequence[str],
        contents: Sequence[bytes] | None = None,
        *,
        tags: bool,
        types: Sequence[EntryType] | None = None,
    ) -> list[WholeEntry | None]:
        """Return entries of any type, None for missing ones.

        `contents` are known contents of blobs, `types` the expected types. Without `tags`, tags
        are not read from a cluster.
        """
        size = max(1, -(-len(aliases) // self.in_flight))
        reads = [
            partial(
                self._read_some,
                aliases[start : start + size],
                None if contents is None else contents[start : start + size],
                tags,
                None if types is None else types[start : start + size],
            )
            for start in range(0, len(aliases), size)
        ]
        if len(reads) == 1:
            return await reads[0]()
        return [entry for some in await run_all(reads) for entry in some]

    async def _read_some(
        self,
        aliases: Sequence[str],
        contents: Sequence[bytes] | None,
        tags: bool,
        types: Sequence[EntryType] | None,
    ) -> list[WholeEntry | None]:
        def read(session: Session) -> list[WholeEntry | None]:
            return session.read_entries(aliases, contents, tags, types)

        return await self.calls.call(self.operation, None, read, reads=True)

    async def find(self, query: str) -> list[str]:
        """Return the aliases that match a query."""

        def find(session: Session) -> list[str]:
            return session.find(query)

        return await self.calls.call(self.operation, None, find, reads=True)

    async def has_tags(self) -> bool:
        """Return whether there is any tag in the store."""
        return bool(await self.find(_TAGS))

    async def marker(self) -> bytes | memoryview | None:
        """Return the content of the marker of an incomplete store, None if there is none."""
        try:
            return await self.calls.call(self.operation, MARKER, _read_marker, reads=True)
        except AliasNotFound:
            return None

    async def check_whole(self) -> None:
        """Raise `TransferUnfinished` if a transfer into the store is unfinished."""
        there = await self.marker()
        if there is not None:
            raise TransferUnfinished(
                f"{self.calls.address} is not whole: {unfinished(there)} into it is under way, or "
                f"was broken off; resume that first, or remove the entry {MARKER!r} to take what "
                "is there"
            )


def _read_marker(session: Session) -> bytes | memoryview:
    return session.blob_get(MARKER)
