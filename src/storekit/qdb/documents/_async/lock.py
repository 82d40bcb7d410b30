"""The entries of documents, and the draft by which one upload or removal holds a document."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from storekit.qdb._async.calls import AsyncCaller
from storekit.qdb.documents.manifest import (
    Claim,
    DocumentConflict,
    DocumentIncomplete,
    Draft,
    Manifest,
    digest_of,
    draft_alias,
    dump_digests,
    list_alias,
    manifest_alias,
)
from storekit.qdb.engine import Kind, Operation, Session
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    ErrorCode,
    UnmatchedContent,
    error_for,
)
from storekit.qdb.methods import bound

__all__ = ["AsyncDrafts"]

_AT_ONCE = 256  # entries to remove in one batch
_ALL = 2**31 - 1


class AsyncDrafts:
    """Takes documents, finds out whether they are still held, and lets go of them.

    The draft is only ever put or swapped, so of two who try to take it one gets it.
    """

    def __init__(self, calls: AsyncCaller, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._clock = clock

    async def _take(self, claim: Claim, *, take_over: bool) -> None:
        """Hold the document from now on; from another one that is at it, if told to."""
        while True:
            there = await self._find(claim.operation, draft_alias(claim.key))
            if there == claim.content:  # an attempt that seemed to have failed had not
                break
            before = Draft("", ended=True) if there is None else Draft.load(there)
            if not (before.ended or take_over):
                raise DocumentConflict(
                    f"another upload or removal of document {claim.key} is under way, or was "
                    "broken off; upload with resume=True to take over, or remove the document "
                    "first"
                )
            same = take_over and before.slice_size == claim.draft.slice_size
            claim.draft = replace(claim.draft, lists=before.lists if same else ())
            if await self._swap(claim, there, claim.content):
                break
        claim.taken = True

    async def _check(self, claim: Claim) -> None:
        """Raise `DocumentConflict` if the document is not held any more."""
        if await self._find(claim.operation, draft_alias(claim.key)) != claim.content:
            raise _lost(claim)

    async def _store_list(self, claim: Claim, digests: list[str]) -> None:
        """Note which slices are there. Until that is done, what was noted before counts."""
        content = dump_digests(digests)
        digest = digest_of(content)
        lists = (digest,) if claim.listed is None else (claim.listed, digest)
        after = replace(claim.draft, step=claim.draft.step + 1, lists=lists)
        if not await self._swap(claim, claim.content, after.dump()):
            raise _lost(claim)
        claim.draft = after
        await self._store(claim, list_alias(claim.key), content)
        claim.listed = digest

    async def _store_manifest(self, claim: Claim, manifest: Manifest) -> None:
        """Make the document whole, if it is still held, and let go of it."""
        alias = manifest_alias(claim.key)
        write = Operation(Kind.BLOB_UPDATE, alias, manifest.dump(), expiry=claim.expiry)
        await self._check(claim)
        if not await self._change_manifest(claim, write, ended=True):
            raise _lost(claim)
        await self._discard(claim.operation, [list_alias(claim.key)])
        with suppress(UnmatchedContent):  # it is for anyone to take
            await self._let_go(claim)

    async def _discard_manifest(self, claim: Claim) -> None:
        alias = manifest_alias(claim.key)
        if await self._find(claim.operation, alias) is None:
            return
        if not await self._change_manifest(claim, Operation(Kind.BLOB_REMOVE, alias)):
            await self._check(claim)  # else it has expired

    async def _change_manifest(
        self, claim: Claim, change: Operation, *, ended: bool = False
    ) -> bool:
        """Change the manifest in one transaction with the draft; return whether that was done."""
        after = replace(claim.draft, step=claim.draft.step + 1, ended=ended)
        alias = draft_alias(claim.key)
        hold = Operation(
            Kind.BLOB_CAS, alias, after.dump(), comparand=claim.content, expiry=claim.expiry
        )
        done = await self._calls.call(
            claim.operation, alias, partial(_run_together, operations=[hold, change]), reads=True
        )
        # What is repeated may have been done at the first attempt.
        done = done or await self._find(claim.operation, alias) == after.dump()
        if done:
            claim.draft = after
        return done

    async def _let_go(self, claim: Claim) -> None:
        """Remove the draft. Raises `UnmatchedContent` if it is another one's."""
        alias, content = draft_alias(claim.key), claim.content
        with suppress(AliasNotFound):
            await self._calls.call(
                claim.operation,
                alias,
                lambda session: session.blob_remove_if(alias, content),
                reads=True,
            )

    async def _swap(self, claim: Claim, before: bytes | None, after: bytes) -> bool:
        """Put a draft, or one in place of another; return whether it is there."""
        alias = draft_alias(claim.key)

        def swap(session: Session) -> bool:
            if before is None:
                session.blob_put(alias, after, claim.expiry)
                return True
            there = session.blob_compare_and_swap(alias, after, before, claim.expiry)
            return there is None or there == after  # by an attempt that seemed to have failed

        try:
            return await self._calls.call(claim.operation, alias, swap, reads=True)
        except (AliasAlreadyExists, AliasNotFound):
            return False

    # Entries

    async def _find(self, operation: str, alias: str) -> bytes | None:
        """Return a small entry; None if it is not there."""
        try:
            read = bound(Session.blob_get, alias)
            return bytes(await self._calls.call(operation, alias, read, reads=True))
        except AliasNotFound:
            return None

    async def _manifest(self, operation: str, key: uuid.UUID) -> Manifest | None:
        """Return the manifest; None if there is none, as there is no draft."""
        aliases = [manifest_alias(key), draft_alias(key)]
        manifest, draft = await self._calls.call(
            operation, aliases[0], partial(_read_together, aliases=aliases), reads=True
        )
        if manifest is not None:
            return Manifest.load(manifest, key)
        if draft is None:
            return None
        raise DocumentIncomplete(
            f"document {key} is not whole: an upload or removal of it is under way, or was "
            "broken off; resume that, or wait for it"
        )

    async def _slices_there(self, operation: str, key: uuid.UUID) -> list[int]:
        found = await self._calls.call(
            operation, key.hex, lambda session: session.prefix_get(key.hex, _ALL), reads=True
        )
        numbers = [alias.removeprefix(key.hex) for alias in found]
        return sorted(int(n) for n in numbers if n.isascii() and n.isdecimal() and str(int(n)) == n)

    async def _store(self, claim: Claim, alias: str, content: bytes | memoryview) -> int:
        """Put or replace an entry; return how many calls of the store have seen the content."""
        attempts = 0

        def store(session: Session) -> None:
            nonlocal attempts
            attempts += 1
            session.blob_update(alias, content, claim.expiry)

        # As safe to repeat as a read: whoever does it, the same content is there in the end.
        await self._calls.call(claim.operation, alias, store, reads=True)
        return attempts

    async def _keep(self, claim: Claim, alias: str, content: bytes | memoryview) -> int:
        """Have an entry that is there expire when the document does. Returns as `_store` does."""
        try:
            await self._calls.call(
                claim.operation,
                alias,
                lambda session: session.expires_at(alias, claim.expiry),
                reads=True,
            )
        except AliasNotFound:
            return await self._store(claim, alias, content)
        return 0

    async def _clear(self, claim: Claim, aliases: list[str]) -> None:
        """Remove entries of a document, those that are there, as long as it is held."""
        for start in range(0, len(aliases), _AT_ONCE):
            await self._check(claim)
            await self._discard(claim.operation, aliases[start : start + _AT_ONCE])

    async def _discard(self, operation: str, aliases: list[str]) -> None:
        await self._calls.call(operation, None, partial(_remove, aliases=aliases), reads=True)


def _lost(claim: Claim) -> DocumentConflict:
    return DocumentConflict(
        f"{claim.operation} of document {claim.key} has stopped: another upload or removal took "
        "over, or the document has expired; what is stored is that one's"
    )


def _remove(session: Session, aliases: list[str]) -> None:
    outcomes = session.run_batch([Operation(Kind.BLOB_REMOVE, alias) for alias in aliases])
    for alias, outcome in zip(aliases, outcomes, strict=True):
        if not outcome.ok and outcome.error != ErrorCode.ALIAS_NOT_FOUND:
            raise error_for(outcome.error, alias=alias)


def _read_together(session: Session, aliases: list[str]) -> list[bytes | None]:
    """Return entries as they are at one moment, as far as the store can, None if not there."""
    contents: list[bytes | None] = []
    outcomes = session.run_batch([Operation(Kind.BLOB_GET, alias) for alias in aliases])
    for alias, outcome in zip(aliases, outcomes, strict=True):
        if outcome.ok:
            contents.append(outcome.content if isinstance(outcome.content, bytes) else b"")
        elif outcome.error == ErrorCode.ALIAS_NOT_FOUND:
            contents.append(None)
        else:
            raise error_for(outcome.error, alias=alias)
    return contents


def _run_together(session: Session, operations: list[Operation]) -> bool:
    """Run a transaction; return False if an entry is not what it was thought to be."""
    error, index, outcomes = session.run_transaction(operations)
    if error in (ErrorCode.UNMATCHED_CONTENT, ErrorCode.ALIAS_NOT_FOUND):
        return False
    if error not in (ErrorCode.OK, ErrorCode.OK_CREATED):
        raise error_for(error, alias=operations[min(index, len(operations) - 1)].alias)
    return all(outcome.ok for outcome in outcomes)
