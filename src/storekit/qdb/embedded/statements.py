"""The statements that entries are read and written by."""

# ruff: noqa: S608 - statements are put together from constants

from storekit.qdb.engine import EntryType

__all__ = [
    "ADD",
    "ADD_DOUBLE",
    "ALIVE",
    "DUE",
    "EXPIRE",
    "FIND",
    "INSERT",
    "METADATA",
    "NOTE_LARGE",
    "READ",
    "REMOVE",
    "REMOVE_IF",
    "REMOVE_TYPED",
    "SWAP",
    "SWAP_ONLY",
    "SWEEP",
    "TAKE",
    "UPDATE",
    "UPDATE_ONLY",
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
    "DELETE FROM entry WHERE alias = ? AND type = ? AND content IS NOT NULL "
    f"AND {ALIVE} RETURNING content"
)
REMOVE = f"DELETE FROM entry WHERE alias = ? AND {ALIVE}"
REMOVE_TYPED = f"DELETE FROM entry WHERE alias = ? AND type = ? AND {ALIVE}"
REMOVE_IF = f"DELETE FROM entry WHERE alias = ? AND type = ? AND content = ? AND {ALIVE}"
ADD = (
    "UPDATE entry SET content = content + ?, modified = ? "
    f"WHERE alias = ? AND type = ? AND {ALIVE} AND content BETWEEN ? AND ? RETURNING content"
)
ADD_DOUBLE = (
    "UPDATE entry SET content = content + ?, modified = ? "
    f"WHERE alias = ? AND type = ? AND {ALIVE} RETURNING content"
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
