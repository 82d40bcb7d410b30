"""The entries that documents are made of: read, stored and removed, by way of a client's calls."""

import threading
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TypeVar

from storekit.qdb._async.calls import AsyncCaller
from storekit.qdb.documents.keys import DocumentKey
from storekit.qdb.documents.manifest import DocumentIncomplete, Manifest
from storekit.qdb.engine import BatchOperation, OperationKind, Session
from storekit.qdb.errors import AliasNotFound, ErrorCode, QuasardbException, error_for
from storekit.qdb.methods import bound

__all__ = ["AsyncDocumentEntries", "WritesUnderWay"]

T = TypeVar("T")

_AT_ONCE = 256  # entries of one batch
_ALL = 2**31 - 1


class AsyncDocumentEntries:
    """What uploads, downloads and removals ask of the store, as one operation of the client.

    All writes are noted in `writes`, if there is one.
    """

    def __init__(
        self, calls: AsyncCaller, operation: str, writes: "WritesUnderWay | None" = None
    ) -> None:
        self.calls = calls
        self.operation = operation
        self._writes = writes

    async def get(self, alias: str) -> bytes | memoryview:
        """Return an entry, by a call of its own: a slice is large. Raises `AliasNotFound`."""
        return await self.calls.call(
            self.operation, alias, bound(Session.blob_get, alias), reads=True
        )

    async def find(self, alias: str) -> bytes | None:
        """Return a small entry; None if it is not there."""
        try:
            return bytes(await self.get(alias))
        except AliasNotFound:
            return None

    async def find_all(
        self, aliases: list[str], *, of_any_type: bool = False
    ) -> list[bytes | None]:
        """Return entries as they are at one moment, as far as the store can, None if not there.

        With `of_any_type`, those that hold no blob count as not there.
        """
        absent = {ErrorCode.ALIAS_NOT_FOUND}
        if of_any_type:
            absent.add(ErrorCode.INCOMPATIBLE_TYPE)
        read = partial(_read_together, aliases=aliases, absent=absent)
        return await self.calls.call(self.operation, aliases[0], read, reads=True)

    async def manifest(self, key: DocumentKey) -> Manifest | None:
        """Return the manifest; None if there is none, and nobody is making one.

        Raises `DocumentIncomplete` if somebody is, and `DocumentDamaged`.
        """
        manifest, lock = await self.find_all([key.manifest, key.lock])
        if manifest is not None:
            return Manifest.load(manifest, key)
        if lock is None:
            return None
        raise DocumentIncomplete(
            f"document {key} is not whole: an upload or removal of it is under way, or was "
            "broken off; resume that, or wait for it"
        )

    async def aliases(self, prefix: str) -> list[str]:
        """Return the aliases that begin with a text."""
        return await self.calls.call(
            self.operation, prefix, lambda session: session.prefix_get(prefix, _ALL), reads=True
        )

    async def slices(self, key: DocumentKey) -> list[int]:
        """Return the numbers of the slices that are there, sorted."""
        numbers = [alias.removeprefix(key.hex) for alias in await self.aliases(key.hex)]
        return sorted(int(n) for n in numbers if n.isascii() and n.isdecimal() and str(int(n)) == n)

    async def size_of_slice(self, key: DocumentKey, number: int) -> int:
        """Return the bytes of a slice. Raises `AliasNotFound`."""
        read = partial(_size_of, alias=key.slice(number))
        return await self.calls.call(self.operation, key.slice(number), read, reads=True)

    async def store(self, alias: str, content: bytes | memoryview, expiry: int) -> int:
        """Put or replace an entry; return how many calls of the store have seen the content."""
        attempts = 0

        def store(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            session.blob_update(alias, content, expiry)

        # As safe to repeat as a read: whoever does it, the same content is there in the end.
        await self._write(alias, store)
        return attempts

    async def set_expiry(self, alias: str, expiry: int) -> None:
        """Have an entry expire at another time. Raises `AliasNotFound`."""
        await self._write(alias, lambda session: session.expires_at(alias, expiry))

    async def swap(self, alias: str, before: bytes | None, after: bytes, expiry: int) -> bool:
        """Put an entry, or one in place of another; return whether it is there."""

        def swap(session: Session) -> bool:
            if before is None:
                session.blob_put(alias, after, expiry)
                return True
            there = session.blob_compare_and_swap(alias, after, before, expiry)
            return there is None or there == after  # by an attempt that seemed to have failed

        try:
            return await self._write(alias, swap)
        except QuasardbException as error:
            if error.error_code in (ErrorCode.ALIAS_ALREADY_EXISTS, ErrorCode.ALIAS_NOT_FOUND):
                return False
            raise

    async def change_all(self, operations: list[BatchOperation]) -> bool:
        """Run a transaction; return False if an entry is not what it was thought to be."""
        run = partial(_run_together, operations=operations)
        return await self._write(operations[0].alias, run)

    async def remove_if(self, alias: str, content: bytes) -> None:
        """Remove an entry, if it is there. Raises `UnmatchedContent` if it has other content."""
        try:
            await self._write(alias, lambda session: session.blob_remove_if(alias, content))
        except AliasNotFound:
            return

    async def remove_all(self, aliases: Iterable[str]) -> None:
        """Remove entries, those that are there."""
        left = list(aliases)
        for start in range(0, len(left), _AT_ONCE):
            remove = partial(_remove, aliases=left[start : start + _AT_ONCE])
            await self._write(None, remove)

    async def _write(self, alias: str | None, function: Callable[[Session], T]) -> T:
        """Make a call that writes, and may be repeated."""
        if self._writes is not None:
            function = partial(self._writes.make, function)
        return await self.calls.call(self.operation, alias, function, reads=True)

    def absent(self, key: DocumentKey, detail: str | None = None) -> QuasardbException:
        """Return the error that there is no such document."""
        return error_for(
            ErrorCode.ALIAS_NOT_FOUND,
            detail,
            operation=self.operation,
            alias=key.hex if key.name is None else key.name,
            node=self.calls.address,
        )


class WritesUnderWay:
    """Counts the writes of one upload, some of which its threads may make after it was given up.

    Any thread may call these.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._given_up = False

    def make(self, function: Callable[[Session], T], session: Session) -> T:
        """Return what a function makes of a session, unless the upload was given up."""
        with self._changed:
            if self._given_up:
                raise RuntimeError("the upload was given up")
            self._count += 1
        try:
            return function(session)
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def give_up(self, seconds: float) -> bool:
        """Let nothing more begin; return whether all that had begun ended in time."""
        with self._changed:
            self._given_up = True
            return self._changed.wait_for(lambda: not self._count, seconds)


def _size_of(session: Session, alias: str) -> int:
    return session.get_metadata(alias).size


def _remove(session: Session, aliases: list[str]) -> None:
    outcomes = session.run_batch(
        [BatchOperation(OperationKind.BLOB_REMOVE, alias) for alias in aliases]
    )
    for alias, outcome in zip(aliases, outcomes, strict=True):
        if not outcome.ok and outcome.error != ErrorCode.ALIAS_NOT_FOUND:
            raise error_for(outcome.error, alias=alias)


def _read_together(
    session: Session, aliases: list[str], absent: Collection[int]
) -> list[bytes | None]:
    contents: list[bytes | None] = []
    outcomes = session.run_batch(
        [BatchOperation(OperationKind.BLOB_GET, alias) for alias in aliases]
    )
    for alias, outcome in zip(aliases, outcomes, strict=True):
        if outcome.ok:
            contents.append(outcome.content if isinstance(outcome.content, bytes) else b"")
        elif outcome.error in absent:
            contents.append(None)
        else:
            raise error_for(outcome.error, alias=alias)
    return contents


def _run_together(session: Session, operations: list[BatchOperation]) -> bool:
    error, index, outcomes = session.run_transaction(operations)
    if error in (ErrorCode.UNMATCHED_CONTENT, ErrorCode.ALIAS_NOT_FOUND):
        return False
    if error not in (ErrorCode.OK, ErrorCode.OK_CREATED):
        raise error_for(error, alias=operations[min(index, len(operations) - 1)].alias)
    return all(outcome.ok for outcome in outcomes)
