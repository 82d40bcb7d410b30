"""Entries with all that belongs to them, by the calls that every store has.

Type, expiry, content and tags are read one after the other. Of an entry that somebody changes
meanwhile, some may be older than others.
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

_NS = 1_000_000  # in a millisecond
_TRIES = 3  # of an entry that changes its type between two calls
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
    """Return entries of any type, None for those that are not there.

    `contents` are those of blobs that the caller has read already. `types` are what entries are
    thought to be: it saves a call for each that is. Without `tags`, entries have none.
    """
    entries: list[WholeEntry | None] = []
    wanted: list[BatchOperation] = []
    places: list[int] = []
    for place, alias in enumerate(aliases):
        thought = None if types is None else types[place]
        if contents is not None:
            thought = EntryType.BLOB
        entry = _described(session, alias, thought)
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


def _described(session: Session, alias: str, thought: EntryType | None) -> WholeEntry | None:
    """Return an entry without its content, of the type that it is thought to have, if any."""
    try:
        if thought is not None and thought is not EntryType.TAG:
            return WholeEntry(alias, thought, None, session.get_expiry_time(alias))
        known = session.get_metadata(alias)
    except AliasNotFound:
        return None
    return WholeEntry(alias, known.type, None, known.expiry // _NS)
