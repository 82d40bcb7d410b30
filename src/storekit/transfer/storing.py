"""Writes complete entries by a session, and compares entries."""

import struct
from collections.abc import Sequence

from storekit.qdb.engine import NEVER, BatchOperation, EntryType, OperationKind, Session, WholeEntry
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for
from storekit.transfer.marker import MARKER

__all__ = ["has_same_content", "is_same_entry", "make_alike", "store_new"]

_PUTS = {
    EntryType.BLOB: OperationKind.BLOB_PUT,
    EntryType.INTEGER: OperationKind.INT_PUT,
    EntryType.DOUBLE: OperationKind.DOUBLE_PUT,
    EntryType.STRING: OperationKind.STRING_PUT,
    EntryType.TIMESTAMP: OperationKind.TIMESTAMP_PUT,
}
_UPDATES = {
    EntryType.BLOB: OperationKind.BLOB_UPDATE,
    EntryType.INTEGER: OperationKind.INT_UPDATE,
    EntryType.DOUBLE: OperationKind.DOUBLE_UPDATE,
    EntryType.STRING: OperationKind.STRING_UPDATE,
    EntryType.TIMESTAMP: OperationKind.TIMESTAMP_UPDATE,
}
_THERE = (ErrorCode.ALIAS_ALREADY_EXISTS, ErrorCode.INCOMPATIBLE_TYPE)
_PIECE = 1 << 20
_DOUBLE = struct.Struct(">d")


def is_same_entry(one: WholeEntry, other: WholeEntry) -> bool:
    """Return whether two entries have the same type, content, expiry and tags."""
    return (
        one.expiry == other.expiry
        and has_same_content(one, other)
        and (one.tags == other.tags or sorted(one.tags) == sorted(other.tags))
    )


def has_same_content(one: WholeEntry, other: WholeEntry) -> bool:
    """Return whether two entries have the same type, and identical content."""
    if one.type is not other.type:
        return False
    mine, theirs = one.content, other.content
    if type(mine) is bytes and type(theirs) is bytes:
        return mine == theirs
    if isinstance(mine, memoryview) or isinstance(theirs, memoryview):
        assert isinstance(mine, bytes | memoryview)  # noqa: S101 - as the types are the same
        assert isinstance(theirs, bytes | memoryview)  # noqa: S101
        return len(mine) == len(theirs) and all(
            # Comparing views takes several times as long as copying one.
            bytes(mine[at : at + _PIECE]).startswith(theirs[at : at + _PIECE])
            for at in range(0, len(mine), _PIECE)
        )
    if isinstance(mine, float) and isinstance(theirs, float):
        # Stores need not keep the bits of a NaN.
        return _DOUBLE.pack(mine) == _DOUBLE.pack(theirs) or (mine != mine and theirs != theirs)
    return mine == theirs


def store_new(session: Session, entries: Sequence[WholeEntry]) -> list[WholeEntry]:
    """Create entries, and return those whose alias exists, which were not changed.

    Raises the first other error after all entries were tried.
    """
    taken: list[WholeEntry] = [each for each in entries if each.type is EntryType.TAG]
    made = [each for each in entries if each.type is not EntryType.TAG]
    puts = [
        BatchOperation(_PUTS[each.type], each.alias, each.content, None, each.expiry)
        for each in made
    ]
    failure: Exception | None = None
    for entry, outcome in zip(made, session.run_joined(puts), strict=True):
        if outcome.error in _THERE:
            taken.append(entry)
        elif not outcome.ok:
            failure = failure or error_for(outcome.error, outcome.detail, alias=entry.alias)
        elif entry.tags:
            failure = _attach(session, entry.alias, entry.tags) or failure
    if failure is not None:
        raise failure
    return taken


def _attach(session: Session, alias: str, tags: Sequence[str]) -> QuasardbException | None:
    try:
        session.attach_tags(alias, tags)
    except QuasardbException as error:
        error.alias = alias
        if error.error_code == ErrorCode.INCOMPATIBLE_TYPE:
            error.detail = "One of its tags is the alias of an entry that is no tag."
        return error
    return None


def make_alike(session: Session, wanted: WholeEntry, there: WholeEntry | None) -> None:
    """Overwrite an entry so that it equals `wanted`. Raises if that is not possible."""
    if there is not None and there.type is not wanted.type:
        session.remove(wanted.alias)
        there = None
    expiry = NEVER if there is None else there.expiry
    if wanted.type is EntryType.TAG:
        if there is None:
            # This is the only way to create a tag that no entry has.
            session.attach_tags(MARKER, [wanted.alias])
            session.detach_tags(MARKER, [wanted.alias])
    elif there is None or not has_same_content(wanted, there):
        _update(session, wanted)
        expiry = wanted.expiry
    if expiry != wanted.expiry:
        session.expires_at(wanted.alias, wanted.expiry)
    before = [] if there is None else there.tags
    more = [tag for tag in wanted.tags if tag not in before]
    fewer = [tag for tag in before if tag not in wanted.tags]
    if fewer:
        session.detach_tags(wanted.alias, fewer)
    if more:
        failure = _attach(session, wanted.alias, more)
        if failure is not None:
            raise failure


def _update(session: Session, wanted: WholeEntry) -> None:
    kind = _UPDATES[wanted.type]
    operation = BatchOperation(kind, wanted.alias, wanted.content, None, wanted.expiry)
    (outcome,) = session.run_joined([operation])
    if not outcome.ok:
        raise error_for(outcome.error, outcome.detail, alias=wanted.alias)
