"""Reading, storing and removing the entries of documents, by the calls of a client."""

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

__all__ = ["AsyncDocumentEntries", "RunningWrites"]

T = TypeVar("T")

_AT_ONCE = 256  # entries in one batch
_ALL = 2**31 - 1


class AsyncDocumentEntries:
    """The calls of uploads, downloads and removals, under the name of one client operation.

    `writes`, if given, counts all writes.
    """

    def __init__(
        self, calls: AsyncCaller, operation: str, writes: "RunningWrites | None" = None
    ) -> None:
        self.calls = calls
        self.operation = operation
        self._writes = writes

    async def get(self, alias: str) -> bytes | memoryview:
        """Return an entry, by a separate call, since slices are large. Raises `AliasNotFound`."""
        return await self.calls.call(
            self.operation, alias, bound(Session.blob_get, alias), reads=True
        )

    async def find(self, alias: str) -> bytes | None:
        """Return a small entry; None if it does not exist."""
        try:
            return bytes(await self.get(alias))
        except AliasNotFound:
            return None

    async def find_all(
        self, aliases: list[str], *, of_any_type: bool = False
    ) -> list[bytes | None]:
        """Return entries, read at one moment if the store can do that; None for missing ones.

        With `of_any_type`, entries that are not blobs count as missing.
        """
        absent = {ErrorCode.ALIAS_NOT_FOUND}
        if of_any_type:
            absent.add(ErrorCode.INCOMPATIBLE_TYPE)
        read = partial(_read_together, aliases=aliases, absent=absent)
        return await self.calls.call(self.operation, aliases[0], read, reads=True)

    async def manifest(self, key: DocumentKey) -> Manifest | None:
        """Return the manifest; None if there is neither a manifest nor a lock.

        Raises `DocumentIncomplete` if there is only a lock, and `DocumentDamaged`.
        """
        manifest, lock = await self.find_all([key.manifest, key.lock])
        if manifest is not None:
            return Manifest.load(manifest, key)
        if lock is None:
            return None
        raise DocumentIncomplete(
            f"document {key} is not complete: an upload or removal of it is running, or was "
            "interrupted; wait for its end, or resume it"
        )

    async def aliases(self, prefix: str) -> list[str]:
        """Return the aliases that start with a text."""
        return await self.calls.call(
            self.operation, prefix, lambda session: session.prefix_get(prefix, _ALL), reads=True
        )

    async def slices(self, key: DocumentKey) -> list[int]:
        """Return the numbers of the stored slices, sorted."""
        numbers = [alias.removeprefix(key.hex) for alias in await self.aliases(key.hex)]
        return sorted(int(n) for n in numbers if n.isascii() and n.isdecimal() and str(int(n)) == n)

    async def size_of_slice(self, key: DocumentKey, number: int) -> int:
        """Return the bytes of a slice. Raises `AliasNotFound`."""
        read = partial(_size_of, alias=key.slice(number))
        return await self.calls.call(self.operation, key.slice(number), read, reads=True)

    async def store(self, alias: str, content: bytes | memoryview, expiry: int) -> int:
        """Put or replace an entry; return how many calls had the content."""
        attempts = 0

        def store(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            session.blob_update(alias, content, expiry)

        # As safe to retry as a read: each attempt stores the same content.
        await self._write(alias, store)
        return attempts

    async def set_expiry(self, alias: str, expiry: int) -> None:
        """Set when an entry expires. Raises `AliasNotFound`."""
        await self._write(alias, lambda session: session.expires_at(alias, expiry))

    async def swap(self, alias: str, before: bytes | None, after: bytes, expiry: int) -> bool:
        """Put an entry, or replace the content `before`; return whether that succeeded."""

        def swap(session: Session) -> bool:
            if before is None:
                session.blob_put(alias, after, expiry)
                return True
            current = session.blob_compare_and_swap(alias, after, before, expiry)
            return current is None or current == after  # by an attempt that seemed to have failed

        try:
            return await self._write(alias, swap)
        except QuasardbException as error:
            if error.error_code in (ErrorCode.ALIAS_ALREADY_EXISTS, ErrorCode.ALIAS_NOT_FOUND):
                return False
            raise

    async def change_all(self, operations: list[BatchOperation]) -> bool:
        """Run a transaction; return False if an entry has not the expected content."""
        run = partial(_run_together, operations=operations)
        return await self._write(operations[0].alias, run)

    async def remove_if(self, alias: str, content: bytes) -> None:
        """Remove an entry, if it exists. Raises `UnmatchedContent` if it has other content."""
        try:
            await self._write(alias, lambda session: session.blob_remove_if(alias, content))
        except AliasNotFound:
            return

    async def remove_all(self, aliases: Iterable[str]) -> None:
        """Remove entries, if they exist."""
        left = list(aliases)
        for start in range(0, len(left), _AT_ONCE):
            remove = partial(_remove, aliases=left[start : start + _AT_ONCE])
            await self._write(None, remove)

    async def _write(self, alias: str | None, function: Callable[[Session], T]) -> T:
        """Make a call that writes, and may be retried."""
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


class RunningWrites:
    """Counts the running writes of one upload; abandoned calls may go on in their threads.

    The methods are thread-safe.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._stopped = False

    def make(self, function: Callable[[Session], T], session: Session) -> T:
        """Return the result of a function with a session. Raises `RuntimeError` after `stop`."""
        with self._changed:
            if self._stopped:
                raise RuntimeError("the upload was stopped")
            self._count += 1
        try:
            return function(session)
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def stop(self, seconds: float) -> bool:
        """Refuse further writes; return whether those that had begun ended in time."""
        with self._changed:
            self._stopped = True
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
