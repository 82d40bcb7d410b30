"""Whole entries (type, expiry, content and tags), read by calls that every store has.

The parts are read one after the other. If an entry is changed meanwhile, some may be older than
others.
"""

from collections.abc import Sequence

from storekit.qdb.engine import (
    BatchOperation,
    Buffer,
    EntryType,
    OperationKind,
    Session,
    WholeEntry,
)
from storekit.qdb.errors import AliasNotFound, ErrorCode, error_for

__all__ = ["read_whole"]

_MS = 1_000_000  # nanoseconds
_TRIES = 3  # for an entry whose type changes between two calls
_GETS = {
    EntryType.BLOB: OperationKind.BLOB_GET,
    EntryType.INTEGER: OperationKind.INT_GET,
    EntryType.DOUBLE: OperationKind.DOUBLE_GET,
    EntryType.STRING: OperationKind.STRING_GET,
    EntryType.TIMESTAMP: OperationKind.TIMESTAMP_GET,
}


def read_whole(
    session: Session,
    aliases: Sequence[str],
    contents: Sequence[Buffer] | None = None,
    tags: bool = True,
    types: Sequence[EntryType] | None = None,
    tries: int = _TRIES,
) -> list[WholeEntry | None]:
    """Return entries of any type, None for those that do not exist.

    `contents` are given if the caller has already read them; the entries are then blobs. `types`
    are the expected types: each right one saves a call. Without `tags`, tags are not read.
    """
    entries: list[WholeEntry | None] = []
    wanted: list[BatchOperation] = []
    places: list[int] = []
    for place, alias in enumerate(aliases):
        expected = None if types is None else types[place]
        if contents is not None:
            expected = EntryType.BLOB
        entry = _described(session, alias, expected)
        entries.append(entry)
        if entry is None:
            continue
        if contents is not None:
            entry.content = bytes(contents[place])
        elif entry.type is not EntryType.TAG:
            wanted.append(BatchOperation(_GETS[entry.type], alias))
            places.append(place)
    for place, operation, outcome in zip(places, wanted, session.run_joined(wanted), strict=True):
        found = entries[place]
        if found is not None and outcome.ok:
            found.content = b"" if outcome.content is None else outcome.content
        elif outcome.error == ErrorCode.ALIAS_NOT_FOUND:
            entries[place] = None
        elif outcome.error == ErrorCode.INCOMPATIBLE_TYPE and tries > 1:
            (entries[place],) = read_whole(session, [operation.alias], tags=False, tries=tries - 1)
        else:
            raise error_for(outcome.error, outcome.detail, alias=operation.alias)
    if tags:
        for place, each in enumerate(entries):
            if each is not None:
                try:
                    each.tags = sorted(session.get_tags(each.alias))
                except AliasNotFound:
                    entries[place] = None
    return entries


def _described(session: Session, alias: str, expected: EntryType | None) -> WholeEntry | None:
    """Return an entry without its content. Its type is the expected one, if there is one."""
    try:
        if expected is not None and expected is not EntryType.TAG:
            return WholeEntry(alias, expected, None, session.get_expiry_time(alias))
        known = session.get_metadata(alias)
    except AliasNotFound:
        return None
    return WholeEntry(alias, known.type, None, known.expiry // _MS)
