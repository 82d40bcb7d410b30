"""Rows of entries, and the SQL statements that read and write them."""

# ruff: noqa: S608 - statements are put together from constants

from collections.abc import Callable
from dataclasses import dataclass

from storekit.qdb.embedded import large_contents
from storekit.qdb.embedded.connection import Connection, Row
from storekit.qdb.embedded.large_contents import LargeContents
from storekit.qdb.engine import PRESERVE, Buffer, EntryType
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = [
    "STAMPS",
    "Content",
    "EntryRow",
    "EntryRows",
    "Stored",
    "as_stamp",
    "checked_aliases",
    "checked_content",
    "damaged",
    "is_same",
    "of_stamp",
    "size_of",
]

ALIVE = "(expiry = 0 OR expiry > ?)"
READ = "SELECT content, type, expiry FROM entry WHERE alias = ?"
FIND = "SELECT id, type, expiry, content FROM entry WHERE alias = ?"
INSERT = (
    "INSERT OR IGNORE INTO entry (content, alias, type, expiry, modified) VALUES (?, ?, ?, ?, ?)"
)
UPDATE = (
    f"UPDATE entry SET content = ?, modified = ?, expiry = ? WHERE alias = ? AND type = ? "
    f"AND {ALIVE}"
)
UPDATE_ONLY = f"UPDATE entry SET content = ?, modified = ? WHERE alias = ? AND type = ? AND {ALIVE}"
SWAP = f"{UPDATE} AND content = ?"
SWAP_ONLY = f"{UPDATE_ONLY} AND content = ?"
TAKE = (
    "DELETE FROM entry WHERE alias = ? AND type = ? AND typeof(content) = 'blob' "
    f"AND {ALIVE} RETURNING content"
)
REMOVE = f"DELETE FROM entry WHERE alias = ? AND {ALIVE}"
REMOVE_TYPED = f"DELETE FROM entry WHERE alias = ? AND type = ? AND {ALIVE}"
REMOVE_IF = f"DELETE FROM entry WHERE alias = ? AND type = ? AND content = ? AND {ALIVE}"
ADD = (
    "UPDATE entry SET content = content + ?, modified = ? "
    f"WHERE alias = ? AND type = ? AND {ALIVE} AND typeof(content) = 'integer' "
    "AND content BETWEEN ? AND ? RETURNING content"
)
ADD_DOUBLE = (
    "UPDATE entry SET content = content + ?, modified = ? "
    f"WHERE alias = ? AND type = ? AND {ALIVE} AND typeof(content) IN ('real', 'null') "
    "RETURNING content"
)
EXPIRE = f"UPDATE entry SET expiry = ? WHERE alias = ? AND {ALIVE}"
SWEEP = (
    "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE expiry > 0 AND expiry <= ? "
    "ORDER BY expiry LIMIT ?)"
)
DUE = "SELECT 1 FROM entry WHERE expiry > 0 AND expiry <= ? LIMIT 1"
METADATA = (
    "SELECT id, type, expiry, modified, CASE WHEN typeof(content) = 'blob' THEN length(content) "
    f"WHEN type = {int(EntryType.TAG)} THEN 0 "
    "ELSE coalesce((SELECT size FROM large WHERE entry = entry.id), 8) END "
    f"FROM entry WHERE alias = ? AND {ALIVE}"
)
NOTE_LARGE = "INSERT INTO large (entry, file, size) SELECT id, ?, ? FROM entry WHERE alias = ?"

Content = Buffer | int | float | None
"""The content of an entry: None for a tag, and for NaN."""

Stored = bytes | memoryview | int | float | None
"""Content that the store returns. In a row, None also stands for large content."""

_BLOB = int(EntryType.BLOB)
_EMPTY = (int(EntryType.TAG), int(EntryType.DOUBLE))  # may have no content
_APART = (_BLOB, int(EntryType.STRING))  # may have large content
_CLASSES: dict[int, tuple[type, ...]] = {
    _BLOB: (bytes,),
    int(EntryType.INTEGER): (int,),
    int(EntryType.TAG): (),
    int(EntryType.DOUBLE): (float,),
    int(EntryType.TIMESTAMP): (bytes,),
    int(EntryType.STRING): (bytes,),
}
_MS = 1_000_000  # nanoseconds


@dataclass(slots=True)
class EntryRow:
    """The row of an entry."""

    id: int
    type: int
    expiry: int
    content: Stored

    @property
    def is_large(self) -> bool:
        """Whether the content is large, in a separate file."""
        return self.content is None and self.type in _APART


class EntryRows:
    """Finds and writes rows, with their large contents.

    Callers hold the lock of the connection. `large` is None for a store that keeps all contents
    in its rows.
    """

    def __init__(
        self, connection: Connection, large: LargeContents | None, now_ns: Callable[[], int]
    ) -> None:
        self.connection = connection
        self.large = large
        self.now_ns = now_ns

    # For contents that are not large; atomic by themselves, or part of a transaction

    def insert(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> bool:
        """Create an entry; return False if the alias is taken."""
        made = self.connection.change(INSERT, (content, alias, kind, expiry, now))
        self.connection.forget(INSERT, 5, size_of(content))
        return made > 0

    def set(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> bool:
        """Set the content; return False if there is no such entry."""
        parameters: tuple[object, ...]
        if expiry == PRESERVE:
            sql, parameters = UPDATE_ONLY, (content, now, alias, kind, now // _MS)
        else:
            sql, parameters = UPDATE, (content, now, expiry, alias, kind, now // _MS)
        changed = self.connection.change(sql, parameters)
        self.connection.forget(sql, len(parameters), size_of(content))
        return changed > 0

    # For all contents; only as part of a transaction

    def replace(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> None:
        """Create an entry; delete an expired one with the same alias, with its tags."""
        self.connection.change("DELETE FROM entry WHERE alias = ?", (alias,))
        file = self._write_large(content)
        self.insert(alias, kind, content if file is None else None, expiry, now)
        self._note_large(alias, file, content)

    def exchange(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> None:
        """Set the content of an existing entry."""
        file = self._write_large(content)
        self.set(alias, kind, content if file is None else None, expiry, now)
        self._note_large(alias, file, content)

    def content(self, row: EntryRow, place: memoryview | None = None) -> Stored:
        """Return the content of a row that was found in the same transaction.

        Large content is in `place` if it fits, otherwise in new memory.
        """
        if self.large is None or not row.is_large:
            return checked_content(row.content, row.type)
        content = self.large.read(row.id, place)
        return content if row.type == _BLOB else bytes(content)

    def find(self, alias: str, now: int) -> EntryRow | None:
        """Return the row of an entry; None if it does not exist or has expired."""
        row = self.connection.one(FIND, (alias,))
        if row is None:
            return None
        if type(row[1]) is not int or type(row[2]) is not int:
            raise damaged("The type of an entry, or its time of expiry,")
        if row[2] and row[2] * _MS <= now:
            return None
        return EntryRow(*row)

    def live(self, alias: str, kind: int | None, now: int) -> EntryRow:
        """Return the row of an entry. Raises if it does not exist or has another type."""
        row = self.find(alias, now)
        if row is None:
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)
        if kind is not None and row.type != kind:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE)
        return row

    def is_large(self, size: int) -> bool:
        """Return whether content of this size is stored in a separate file."""
        return self.large is not None and size >= large_contents.LARGE_CONTENT

    def _write_large(self, content: Content) -> int | None:
        if self.large is None or isinstance(content, (int, float)) or content is None:
            return None
        return self.large.write(content) if self.is_large(len(content)) else None

    def _note_large(self, alias: str, file: int | None, content: Content) -> None:
        if file is not None:
            self.connection.change(NOTE_LARGE, (file, size_of(content), alias))


def is_same(stored: Stored, comparand: Buffer) -> bool:
    """Return whether two contents are equal. As bytes, since comparing views is 5 times slower."""
    return isinstance(stored, (bytes, memoryview)) and bytes(stored) == bytes(comparand)


def size_of(content: Content) -> int:
    """Return the size of a content in bytes."""
    if content is None:
        return 0
    return 8 if isinstance(content, (int, float)) else len(content)


def checked_content(content: Stored, kind: int) -> Stored:
    """Return the content of a row. Raises `DATA_CORRUPTION` if it does not fit the type."""
    if type(content) in _CLASSES.get(kind, ()) or (content is None and kind in _EMPTY):
        return content
    raise damaged("The content of an entry")


def checked_aliases(rows: list[Row]) -> list[str]:
    """Return the aliases in the first column of rows. Raises `DATA_CORRUPTION`."""
    aliases: list[str] = [row[0] for row in rows]
    if not all(type(alias) is str for alias in aliases):
        raise damaged("An alias")
    return aliases


def damaged(what: str) -> QuasardbException:
    """Return the error for a value in the file of the store that storekit does not write."""
    return error_for(
        ErrorCode.DATA_CORRUPTION, f"{what} is not what storekit writes into the file of a store."
    )


_STAMP_BYTES = 16
STAMPS = range(-(1 << 63) * 10**9, (1 << 63) * 10**9)
"""The range of timestamps in nanoseconds: their seconds must fit into 64 bits."""


def as_stamp(nanoseconds: int) -> bytes:
    """Return a timestamp as it is stored. Raises `INVALID_ARGUMENT`."""
    if nanoseconds not in STAMPS:
        detail = "The seconds of the timestamp do not fit into 64 bits."
        raise error_for(ErrorCode.INVALID_ARGUMENT, detail)
    return nanoseconds.to_bytes(_STAMP_BYTES, "big", signed=True)


def of_stamp(content: Stored) -> int:
    """Return the nanoseconds of a stored timestamp."""
    if not isinstance(content, bytes) or len(content) != _STAMP_BYTES:
        raise damaged("A timestamp")
    return int.from_bytes(content, "big", signed=True)
