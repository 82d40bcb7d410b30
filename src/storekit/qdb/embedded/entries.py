"""What can be done to one entry, of whatever type."""

# ruff: noqa: S608 - statements are put together from constants

from collections.abc import Callable
from dataclasses import dataclass

from storekit.qdb.embedded.checks import deadline, integer
from storekit.qdb.embedded.connection import Connection
from storekit.qdb.engine import NEVER, PRESERVE, Buffer, EntryType, Metadata
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["Content", "Counter", "Entries"]

Content = Buffer | int | float | None
"""What SQLite stores for an entry: None for a tag, and for a number that is not one (NaN)."""

Stored = bytes | int | float | None

_ALIVE = "(expiry = 0 OR expiry > ?)"
_READ = "SELECT content, type, expiry FROM entry WHERE alias = ?"
_FIND = "SELECT id, type, expiry, content FROM entry WHERE alias = ?"
_INSERT = (
    "INSERT OR IGNORE INTO entry (content, alias, type, expiry, modified) VALUES (?, ?, ?, ?, ?)"
)
_UPDATE = (
    f"UPDATE entry SET content = ?, modified = ?, expiry = ? WHERE alias = ? AND type = ? "
    f"AND {_ALIVE}"
)
_UPDATE_ONLY = (
    f"UPDATE entry SET content = ?, modified = ? WHERE alias = ? AND type = ? AND {_ALIVE}"
)
_SWAP = f"{_UPDATE} AND content = ?"
_SWAP_ONLY = f"{_UPDATE_ONLY} AND content = ?"
_TAKE = f"DELETE FROM entry WHERE alias = ? AND type = ? AND {_ALIVE} RETURNING content"
_REMOVE = f"DELETE FROM entry WHERE alias = ? AND {_ALIVE}"
_REMOVE_TYPED = f"DELETE FROM entry WHERE alias = ? AND type = ? AND {_ALIVE}"
_REMOVE_IF = f"DELETE FROM entry WHERE alias = ? AND type = ? AND content = ? AND {_ALIVE}"
_ADD = (
    "UPDATE entry SET content = content + ?, modified = ? "
    f"WHERE alias = ? AND type = ? AND {_ALIVE} AND content BETWEEN ? AND ? RETURNING content"
)
_ADD_DOUBLE = (
    "UPDATE entry SET content = content + ?, modified = ? "
    f"WHERE alias = ? AND type = ? AND {_ALIVE} RETURNING content"
)
_EXPIRE = f"UPDATE entry SET expiry = ? WHERE alias = ? AND {_ALIVE}"
_SWEEP = (
    "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE expiry > 0 AND expiry <= ? "
    "ORDER BY expiry LIMIT ?)"
)

_INTEGER = int(EntryType.INTEGER)
_TAG = int(EntryType.TAG)
_DOUBLE = int(EntryType.DOUBLE)
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_EVERY = 32  # writes between two sweeps
_SWEPT = 4 * _EVERY  # entries at most; more than can have come in between, so that none stay
_NS = 1_000_000  # in a millisecond


@dataclass(slots=True)
class Counter:
    """How often something was done in this session, and how many bytes went where."""

    count: int = 0
    successes: int = 0
    in_bytes: int = 0
    out_bytes: int = 0


@dataclass(slots=True)
class _Entry:
    id: int
    type: int
    expiry: int
    content: Stored


class Entries:
    """Reads and writes single entries. Whoever calls a method holds the connection's lock.

    Aliases and contents have been checked. Times of expiry are checked here, against the
    clock that the operation goes by. Each method is one change, and leaves none behind when
    it raises.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now_ns: Callable[[], int] = connection.now_ns
        self._due = _EVERY
        self._get = Counter()
        self._put = Counter()
        self._update = Counter()
        self._swap = Counter()
        self._get_and_update = Counter()
        self._get_and_remove = Counter()
        self._remove = Counter()
        self._remove_if = Counter()
        self._purge = Counter()
        self.counters: dict[str, Counter] = {
            "get": self._get,
            "put": self._put,
            "update": self._update,
            "get_and_update": self._get_and_update,
            "compare_and_swap": self._swap,
            "get_and_remove": self._get_and_remove,
            "remove": self._remove,
            "remove_if": self._remove_if,
            "purge_all": self._purge,
        }

    def get(self, alias: str, kind: int) -> Stored:
        """Return the content; None for NaN."""
        counter = self._get
        counter.count += 1
        row = self.connection.one(_READ, (alias,))
        if row is None or (row[2] and row[2] * _NS <= self.now_ns()):
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)
        content: Stored = row[0]
        if row[1] != kind:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE)
        counter.successes += 1
        counter.out_bytes += _size(content)
        return content

    def put(self, alias: str, kind: int, content: Content, expiry: int) -> None:
        """Make an entry."""
        counter = self._put
        counter.count += 1
        now = self.now_ns()
        expiry = self._moment(expiry, now)
        if expiry == PRESERVE:
            expiry = NEVER
        if not self._insert(alias, kind, content, expiry, now):
            with self.connection.transaction():
                entry = self._entry(alias, now)
                if entry is not None:
                    raise error_for(
                        ErrorCode.ALIAS_ALREADY_EXISTS
                        if entry.type == kind
                        else ErrorCode.INCOMPATIBLE_TYPE
                    )
                self._replace(alias, kind, content, expiry, now)
        counter.successes += 1
        counter.in_bytes += _size(content)
        self._wrote()

    def update(self, alias: str, kind: int, content: Content, expiry: int) -> bool:
        """Set the content, in a new entry if there is none; return whether it is new."""
        counter = self._update
        counter.count += 1
        now = self.now_ns()
        expiry = self._moment(expiry, now)
        if self._set(alias, kind, content, expiry, now):
            created = False
        else:
            lasting = NEVER if expiry == PRESERVE else expiry
            created = self._insert(alias, kind, content, lasting, now)
            if not created:  # expired, of another type, or made since
                with self.connection.transaction():
                    entry = self._entry(alias, now)
                    if entry is None:
                        self._replace(alias, kind, content, lasting, now)
                        created = True
                    elif entry.type != kind:
                        raise error_for(ErrorCode.INCOMPATIBLE_TYPE)
                    else:
                        self._set(alias, kind, content, expiry, now)
        counter.successes += 1
        counter.in_bytes += _size(content)
        self._wrote()
        return created

    def get_and_update(self, alias: str, kind: int, content: Buffer, expiry: int) -> Stored:
        """Set the content, return the one before."""
        counter = self._get_and_update
        counter.count += 1
        now = self.now_ns()
        expiry = self._moment(expiry, now)
        with self.connection.transaction():
            entry = self._live(alias, kind, now)
            self._set(alias, kind, content, expiry, now)
        counter.successes += 1
        counter.in_bytes += _size(content)
        counter.out_bytes += _size(entry.content)
        self._wrote()
        return entry.content

    def compare_and_swap(
        self, alias: str, kind: int, content: Buffer, comparand: Buffer, expiry: int
    ) -> Stored:
        """Set the content if it is the comparand: return None, else the one that is there."""
        counter = self._swap
        counter.count += 1
        now = self.now_ns()
        expiry = self._moment(expiry, now)
        parameters: tuple[object, ...]
        if expiry == PRESERVE:
            sql, parameters = _SWAP_ONLY, (content, now, alias, kind, now // _NS, comparand)
        else:
            sql, parameters = _SWAP, (content, now, expiry, alias, kind, now // _NS, comparand)
        while True:
            changed = self.connection.change(sql, parameters)
            self.connection.forget(sql, len(parameters), max(len(content), len(comparand)))
            if changed:
                counter.successes += 1
                counter.in_bytes += _size(content)
                self._wrote()
                return None
            there = self._live(alias, kind, now).content
            if there != comparand:  # else it has become so since
                counter.out_bytes += _size(there)
                return there

    def get_and_remove(self, alias: str, kind: int) -> Stored:
        """Remove an entry and return its content."""
        counter = self._get_and_remove
        counter.count += 1
        now = self.now_ns()
        while True:
            row = self.connection.one(_TAKE, (alias, kind, now // _NS))
            if row is not None:
                break
            self._live(alias, kind, now)  # if it is there, it has come since
        counter.successes += 1
        content: Stored = row[0]
        counter.out_bytes += _size(content)
        self._wrote()
        return content

    def remove_if(self, alias: str, kind: int, comparand: Buffer) -> None:
        """Remove an entry if its content is the comparand."""
        counter = self._remove_if
        counter.count += 1
        now = self.now_ns()
        while True:
            removed = self.connection.change(_REMOVE_IF, (alias, kind, comparand, now // _NS))
            self.connection.forget(_REMOVE_IF, 4, len(comparand))
            if removed:
                break
            if self._live(alias, kind, now).content != comparand:
                raise error_for(ErrorCode.UNMATCHED_CONTENT)
        counter.successes += 1
        self._wrote()

    def remove(self, alias: str, kind: int | None = None) -> None:
        """Remove an entry, of one type or of any."""
        counter = self._remove
        counter.count += 1
        now = self.now_ns()
        while True:
            if kind is None:
                removed = self.connection.change(_REMOVE, (alias, now // _NS))
            else:
                removed = self.connection.change(_REMOVE_TYPED, (alias, kind, now // _NS))
            if removed:
                break
            self._live(alias, kind, now)
        counter.successes += 1
        self._wrote()

    def add(self, alias: str, addend: int) -> int:
        """Add to an integer, return the sum; `OVERFLOW` and `UNDERFLOW` leave it as it was."""
        addend = integer(addend)
        now = self.now_ns()
        low, high = max(_INT_MIN, _INT_MIN - addend), min(_INT_MAX, _INT_MAX - addend)
        known = (addend, now, alias, _INTEGER, now // _NS, low, high)
        while True:
            row = self.connection.one(_ADD, known)
            if row is not None:
                self._wrote()
                return int(row[0])
            value = self._live(alias, _INTEGER, now).content
            if not isinstance(value, int) or not low <= value <= high:
                raise error_for(ErrorCode.OVERFLOW if addend > 0 else ErrorCode.UNDERFLOW)

    def add_double(self, alias: str, addend: float) -> Stored:
        """Add to a double, return the sum, None for NaN. Beyond all numbers is infinity."""
        now = self.now_ns()
        while True:
            row = self.connection.one(_ADD_DOUBLE, (float(addend), now, alias, _DOUBLE, now // _NS))
            if row is not None:
                self._wrote()
                total: Stored = row[0]
                return total
            self._live(alias, _DOUBLE, now)

    def expires_at(self, alias: str, expiry: int) -> None:
        """Set the time of expiry, in ms since the epoch; `PRESERVE` just looks for the entry."""
        self._expire(alias, expiry, self.now_ns())

    def expires_from_now(self, alias: str, milliseconds: int) -> None:
        """Set the time of expiry."""
        now = self.now_ns()
        # the results 0 and -1 would mean something else
        self._expire(alias, max(1, integer(milliseconds) + now // _NS), now)

    def kind_of(self, alias: str) -> EntryType:
        """Return the type of an entry."""
        return EntryType(self._live(alias, None, self.now_ns()).type)

    def expiry(self, alias: str) -> int:
        """Return the time of expiry, in ms since the epoch, 0 for never."""
        return self._live(alias, None, self.now_ns()).expiry

    def metadata(self, alias: str) -> Metadata:
        """Return what is known about an entry."""
        now = self.now_ns()
        row = self.connection.one(
            "SELECT id, type, expiry, modified, CASE WHEN typeof(content) = 'blob' "
            "THEN length(content) WHEN type = ? THEN 0 ELSE 8 END "
            f"FROM entry WHERE alias = ? AND {_ALIVE}",
            (_TAG, alias, now // _NS),
        )
        if row is None:
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)
        return Metadata(
            type=EntryType(row[1]),
            size=row[4],
            modified=row[3],
            expiry=row[2] * _NS,
            reference=(row[0], 0, 0, 0),
        )

    def purge(self) -> None:
        """Remove all."""
        self._purge.count += 1
        with self.connection.transaction():
            self.connection.change("DELETE FROM tagging")
            self.connection.change("DELETE FROM entry WHERE alias > ''")
        self._purge.successes += 1

    def ensure_tag(self, tag: str, now: int) -> int:
        """Return the id of a tag, made if there is none; part of a transaction."""
        entry = self._entry(tag, now)
        if entry is None:
            self._replace(tag, _TAG, None, NEVER, now)
            entry = self._live(tag, _TAG, now)
        elif entry.type != _TAG:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE, f"{tag!r} is no tag.")
        return entry.id

    def id_of(self, alias: str, now: int) -> int:
        """Return the id of an entry."""
        return self._live(alias, None, now).id

    def tag_id(self, tag: str, now: int) -> int | None:
        """Return the id of a tag, None if nothing has its name."""
        entry = self._entry(tag, now)
        if entry is None:
            return None
        if entry.type != _TAG:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE, f"{tag!r} is no tag.")
        return entry.id

    # Steps, which are whole for themselves or part of a transaction

    def _moment(self, expiry: int, now: int) -> int:
        return expiry if expiry == NEVER else deadline(expiry, now // _NS)

    def _insert(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> bool:
        made = self.connection.change(_INSERT, (content, alias, kind, expiry, now))
        self.connection.forget(_INSERT, 5, _size(content))
        return made > 0

    def _set(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> bool:
        parameters: tuple[object, ...]
        if expiry == PRESERVE:
            sql, parameters = _UPDATE_ONLY, (content, now, alias, kind, now // _NS)
        else:
            sql, parameters = _UPDATE, (content, now, expiry, alias, kind, now // _NS)
        changed = self.connection.change(sql, parameters)
        self.connection.forget(sql, len(parameters), _size(content))
        return changed > 0

    def _replace(self, alias: str, kind: int, content: Content, expiry: int, now: int) -> None:
        """Put an entry where there is none but an expired one, whose tags and id go."""
        self.connection.change("DELETE FROM entry WHERE alias = ?", (alias,))
        self._insert(alias, kind, content, expiry, now)

    def _entry(self, alias: str, now: int) -> _Entry | None:
        row = self.connection.one(_FIND, (alias,))
        if row is None or (row[2] and row[2] * _NS <= now):
            return None
        return _Entry(*row)

    def _live(self, alias: str, kind: int | None, now: int) -> _Entry:
        entry = self._entry(alias, now)
        if entry is None:
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)
        if kind is not None and entry.type != kind:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE)
        return entry

    def _expire(self, alias: str, expiry: int, now: int) -> None:
        expiry = deadline(expiry, now // _NS)
        if expiry == PRESERVE:
            self._live(alias, None, now)
        elif not self.connection.change(_EXPIRE, (expiry, alias, now // _NS)):
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)

    def _wrote(self) -> None:
        self._due -= 1
        if self._due <= 0 and not self.connection.in_transaction:
            self.sweep()

    def sweep(self) -> None:
        """Delete a few expired entries; what was written stays written if that fails."""
        self._due = _EVERY
        now = self.now_ns() // _NS
        try:
            if self.connection.one(
                "SELECT 1 FROM entry WHERE expiry > 0 AND expiry <= ? LIMIT 1", (now,)
            ):
                self.connection.change(_SWEEP, (now, _SWEPT))
        except QuasardbException:
            return


def _size(content: Content) -> int:
    if content is None:
        return 0
    return 8 if isinstance(content, (int, float)) else len(content)
