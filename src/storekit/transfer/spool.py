"""An ordered set of any number of aliases, in an anonymous temporary file."""

import errno
import sqlite3
from collections.abc import Iterable
from contextlib import suppress

__all__ = ["AliasSpool"]

_CACHE = 4000  # kB that may be in memory


class AliasSpool:
    """An ordered set of aliases, of which a few MB are in memory.

    Threads may call it one at a time.
    """

    def __init__(self) -> None:
        # An empty name is an anonymous temporary file of SQLite.
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute(f"PRAGMA cache_size = -{_CACHE}")
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute(
            "CREATE TABLE spool (number INTEGER PRIMARY KEY, alias TEXT NOT NULL UNIQUE, "
            "size INTEGER NOT NULL)"
        )
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, aliases: Iterable[str]) -> None:
        """Add aliases."""
        self.add_sized((alias, 0) for alias in aliases)

    def add_sized(self, sized: Iterable[tuple[str, int]]) -> None:
        """Add aliases, each with a size. Raises `OSError`."""
        try:
            self._file.execute("BEGIN")
            added = self._file.executemany(
                "INSERT OR IGNORE INTO spool (alias, size) VALUES (?, ?)", sized
            )
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            raise OSError(
                errno.ENOSPC, f"a list of aliases does not fit into a temporary file: {error}"
            ) from error
        self._count += max(0, added.rowcount)

    def __contains__(self, alias: str) -> bool:
        if not self._count:
            return False
        found = self._file.execute("SELECT 1 FROM spool WHERE alias = ?", (alias,)).fetchone()
        return found is not None

    def page(self, start: int, count: int, most: int = 0) -> list[str]:
        """Return up to `count` aliases from position `start` on.

        The page ends with the alias at which the sum of sizes reaches `most`.
        """
        rows = self._file.execute(
            "SELECT alias, size FROM spool WHERE number > ? ORDER BY number LIMIT ?", (start, count)
        )
        page: list[str] = []
        total = 0
        for alias, size in rows.fetchall():
            page.append(alias)
            total += size
            if most and total >= most:
                break
        return page

    def close(self) -> None:
        """Remove the file. May be called twice."""
        with suppress(sqlite3.Error):  # if a thread of a cancelled call still uses it
            self._file.close()
