"""Tags: entries without content that other entries are attached to."""

from collections.abc import Sequence

from storekit.qdb.embedded.entries import EmbeddedEntries
from storekit.qdb.embedded.rows import checked_aliases
from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["EmbeddedTags"]

_ATTACH = "INSERT OR IGNORE INTO tagging (tag, entry) VALUES (?, ?)"
_DETACH = "DELETE FROM tagging WHERE tag = ? AND entry = ?"
_TAGGED = (
    "FROM tagging JOIN entry ON entry.id = tagging.entry "
    "WHERE tagging.tag = ? AND (expiry = 0 OR expiry > ?)"
)
_MS = 1_000_000  # nanoseconds


class EmbeddedTags:
    """Operations on tags. Callers hold the lock, and have checked the names."""

    def __init__(self, entries: EmbeddedEntries) -> None:
        self._entries = entries
        self._connection = entries.connection

    def attach(self, alias: str, tags: Sequence[str], *, only_new: bool = False) -> None:
        """Attach all tags or none; with `only_new`, raise `TAG_ALREADY_SET` for a present one."""
        now = self._entries.now_ns()
        with self._connection.transaction():
            entry = self._entries.id_of(alias, now)
            for tag in tags:
                if tag == alias:
                    detail = "An entry can't be a tag of itself."
                    raise error_for(ErrorCode.INCOMPATIBLE_TYPE, detail)
                tag_id = self._entries.ensure_tag(tag, now)
                if not self._connection.change(_ATTACH, (tag_id, entry)) and only_new:
                    raise error_for(ErrorCode.TAG_ALREADY_SET)

    def detach(self, alias: str, tags: Sequence[str], *, only_set: bool = False) -> None:
        """Detach all tags or none; with `only_set`, raise `TAG_NOT_SET` for a missing one."""
        now = self._entries.now_ns()
        with self._connection.transaction():
            entry = self._entries.id_of(alias, now)
            for tag in tags:
                tag_id = self._entries.tag_id(tag, now)
                known = tag_id is not None and self._connection.change(_DETACH, (tag_id, entry))
                if not known and only_set:
                    raise error_for(ErrorCode.TAG_NOT_SET)

    def has(self, alias: str, tag: str) -> bool:
        """Return whether the entry has the tag."""
        now = self._entries.now_ns()
        entry = self._entries.id_of(alias, now)
        tag_id = self._entries.tag_id(tag, now)
        return tag_id is not None and (
            self._connection.one(
                "SELECT 1 FROM tagging WHERE tag = ? AND entry = ?", (tag_id, entry)
            )
            is not None
        )

    def of(self, alias: str) -> list[str]:
        """Return the tags of an entry, in ascending order."""
        now = self._entries.now_ns()
        rows = self._connection.all(
            "SELECT alias FROM tagging JOIN entry ON entry.id = tagging.tag "
            "WHERE tagging.entry = ? AND (expiry = 0 OR expiry > ?) ORDER BY alias",
            (self._entries.id_of(alias, now), now // _MS),
        )
        return checked_aliases(rows)

    def tagged(self, tag: str) -> list[str]:
        """Return the aliases with a tag, in ascending order."""
        now = self._entries.now_ns()
        tag_id = self._entries.tag_id(tag, now)
        if tag_id is None:
            return []
        rows = self._connection.all(f"SELECT alias {_TAGGED} ORDER BY alias", (tag_id, now // _MS))
        return checked_aliases(rows)

    def tagged_count(self, tag: str) -> int:
        """Return how many entries have a tag."""
        now = self._entries.now_ns()
        tag_id = self._entries.tag_id(tag, now)
        if tag_id is None:
            return 0
        row = self._connection.one(f"SELECT count(*) {_TAGGED}", (tag_id, now // _MS))
        return int(row[0]) if row else 0
