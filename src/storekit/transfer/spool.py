"""A set of aliases of any number, in a file that nobody else sees."""

import errno
import sqlite3
from collections.abc import Iterable
from contextlib import suppress

__all__ = ["AliasSpool"]

_CACHE = 4000  # kB that may be in memory


class AliasSpool:
    """Keeps aliases, each once, in the order in which they came; a few MB in memory, the rest not.

    Any thread may call it, one at a time.
    """

    def __init__(self) -> None:
        # An empty name is a temporary file of SQLite's own, which has no name and no readers.
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
        """Keep aliases that are not kept yet."""
        self.add_sized((alias, 0) for alias in aliases)

    def add_sized(self, sized: Iterable[tuple[str, int]]) -> None:
        """Keep aliases that are not kept yet, each with a size. Raises `OSError`."""
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
        """Return up to `count` aliases, but for the first `start`.

        If their sizes come to `most` or more, the one with which they do is the last.
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
        """Forget all. Closing twice is fine."""
        with suppress(sqlite3.Error):  # of a thread that was given up, and is still at it
            self._file.close()
