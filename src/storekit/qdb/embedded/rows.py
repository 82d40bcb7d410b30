"""Rows of entries: the steps that the operations on entries are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from storekit.qdb.embedded import large_contents, statements
from storekit.qdb.embedded.connection import Connection
from storekit.qdb.embedded.large_contents import LargeContents
from storekit.qdb.engine import PRESERVE, Buffer, EntryType
from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["Content", "Row", "Rows", "Stored", "is_same", "size_of"]

Content = Buffer | int | float | None
"""What an entry holds: None for a tag, and for a number that is not one (NaN)."""

Stored = bytes | memoryview | int | float | None
"""What the store gives for it. In a row, None is also for a content that is kept apart."""

_BLOB = int(EntryType.BLOB)
_EMPTY = (int(EntryType.TAG), int(EntryType.DOUBLE))  # may have no content
_NS = 1_000_000  # in a millisecond


@dataclass(slots=True)
class Row:
    """An entry, as it was at one moment."""

    id: int
    type: int
    expiry: int
    content: Stored

    @property
    def is_large(self) -> bool:
        """Whether the content is kept apart."""
        return self.content is None and self.type not in _EMPTY


class Rows:
    """Finds and writes rows, and large contents with them.

    Whoever calls a method holds the connection's lock. `large` is None for a store that
    keeps all contents in its rows.
    """

    def __init__(self, connection: Connection, large: LargeContents | None) -> None:
        self.connection = connection
        self.large = large
        self.now_ns: Callable[[], int] = connection.now_ns

    # For contents that are not large: each is one change, or part of one

    def insert(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> bool:
        """Make an entry; return False if the alias is taken."""
        made = self.connection.change(statements.INSERT, (content, alias, kind, expiry, now))
        self.connection.forget(statements.INSERT, 5, size_of(content))
        return made > 0

    def set(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> bool:
        """Set the content; return False if there is no such entry."""
        parameters: tuple[object, ...]
        if expiry == PRESERVE:
            sql, parameters = statements.UPDATE_ONLY, (content, now, alias, kind, now // _NS)
        else:
            sql, parameters = statements.UPDATE, (content, now, expiry, alias, kind, now // _NS)
        changed = self.connection.change(sql, parameters)
        self.connection.forget(sql, len(parameters), size_of(content))
        return changed > 0

    # For all contents: parts of a transaction

    def replace(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> None:
        """Put an entry where there is none but an expired one, whose tags and id go."""
        self.connection.change("DELETE FROM entry WHERE alias = ?", (alias,))
        file = self._write_large(content)
        self.insert(alias, kind, content if file is None else None, expiry, now)
        self._note_large(alias, file, content)

    def exchange(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> None:
        """Set the content of an entry that is there."""
        file = self._write_large(content)
        self.set(alias, kind, content if file is None else None, expiry, now)
        self._note_large(alias, file, content)

    def content(self, row: Row, place: memoryview | None = None) -> Stored:
        """Return the content of a row that was found in the same transaction.

        A large one is in `place` if it fits there, else in memory of its own.
        """
        if self.large is None or not row.is_large:
            return row.content
        content = self.large.read(row.id, place)
        return content if row.type == _BLOB else bytes(content)

    def find(self, alias: str, now: int) -> Row | None:
        """Return the row of an entry; None if there is none, or if it has expired."""
        row = self.connection.one(statements.FIND, (alias,))
        if row is None or (row[2] and row[2] * _NS <= now):
            return None
        return Row(*row)

    def live(self, alias: str, kind: int | None, now: int) -> Row:
        """Return the row of an entry, of one type or of any."""
        row = self.find(alias, now)
        if row is None:
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)
        if kind is not None and row.type != kind:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE)
        return row

    def is_large(self, size: int) -> bool:
        """Return whether a content of so many bytes is kept apart."""
        return self.large is not None and size >= large_contents.LARGE_CONTENT

    def _write_large(self, content: Content) -> int | None:
        if self.large is None or isinstance(content, (int, float)) or content is None:
            return None
        return self.large.write(content) if self.is_large(len(content)) else None

    def _note_large(self, alias: str, file: int | None, content: Content) -> None:
        if file is not None:
            self.connection.change(statements.NOTE_LARGE, (file, size_of(content), alias))


def is_same(stored: Stored, comparand: Buffer) -> bool:
    """Return whether a content, which is bytes, is another; views compare five times slower."""
    return isinstance(stored, (bytes, memoryview)) and bytes(stored) == bytes(comparand)


def size_of(content: Content) -> int:
    """Return how many bytes a content has."""
    if content is None:
        return 0
    return 8 if isinstance(content, (int, float)) else len(content)
