"""Operations on single entries of any type."""

from collections.abc import Callable
from contextlib import suppress

from storekit.qdb.embedded import rows
from storekit.qdb.embedded.checks import deadline, integer
from storekit.qdb.embedded.connection import READING, Connection
from storekit.qdb.embedded.large_contents import LargeContents
from storekit.qdb.embedded.rows import (
    STAMPS,
    Content,
    EntryRows,
    Stored,
    as_stamp,
    checked_content,
    damaged,
    is_same,
    of_stamp,
    size_of,
)
from storekit.qdb.embedded.status import OPERATIONS, Counter
from storekit.qdb.engine import NEVER, PRESERVE, Buffer, EntryType, Metadata
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["EmbeddedEntries"]

_INTEGER = int(EntryType.INTEGER)
_TAG = int(EntryType.TAG)
_DOUBLE = int(EntryType.DOUBLE)
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_EVERY = 32  # writes between two sweeps
_EVERY_LARGE = _EVERY // 4  # a large write counts as so many
_SWEPT = 4 * _EVERY  # entries at most; more than are written between two sweeps
_TRIES = 1000  # of a change that fails only if others change the entry between two statements
_MS = 1_000_000  # nanoseconds


class EmbeddedEntries(EntryRows):
    """Reads and writes single entries. Callers hold the lock of the connection.

    They have checked aliases and contents. Times of expiry are checked here, against the
    time of the operation. Each method is atomic: it changes nothing if it raises.
    """

    def __init__(
        self, connection: Connection, large: LargeContents | None, now_ns: Callable[[], int]
    ) -> None:
        super().__init__(connection, large, now_ns)
        self._due = _EVERY
        self.counters: dict[str, Counter] = {name: Counter() for name in OPERATIONS}
        self._get = self.counters["get"]

    def get(self, alias: str, kind: int, place: memoryview | None = None) -> Stored:
        """Return the content, of large content in `place` if it fits; None for NaN."""
        counter = self._get
        counter.count += 1
        row = self.connection.one(rows.READ, (alias,))
        if row is None:
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)
        content: Stored = row[0]
        if row[2]:
            if type(row[2]) is not int:
                raise damaged("A time of expiry")
            if row[2] * _MS <= self.now_ns():
                raise error_for(ErrorCode.ALIAS_NOT_FOUND)
        if row[1] != kind:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE)
        if content is None and kind != _DOUBLE:
            with self.connection.transaction(READING):
                content = self.content(self.live(alias, kind, self.now_ns()), place)
        elif type(content) is not bytes:
            checked_content(content, kind)
        counter.successes += 1
        counter.out_bytes += size_of(content)
        return content

    def put(self, alias: str, kind: int, content: Content, expiry: int) -> None:
        """Create an entry."""
        counter = self.counters["put"]
        counter.count += 1
        now = self.now_ns()
        expiry = self._moment(expiry, now)
        if expiry == PRESERVE:
            expiry = NEVER
        size = size_of(content)
        if self.is_large(size) or not self.insert(alias, kind, content, expiry, now):
            with self.connection.transaction():
                entry = self.find(alias, now)
                if entry is not None:
                    raise error_for(
                        ErrorCode.ALIAS_ALREADY_EXISTS
                        if entry.type == kind
                        else ErrorCode.INCOMPATIBLE_TYPE
                    )
                self.replace(alias, kind, content, expiry, now)
        counter.successes += 1
        counter.in_bytes += size
        self._wrote(size)

    def update(self, alias: str, kind: int, content: Content, expiry: int) -> bool:
        """Create an entry or replace its content; return whether it was created."""
        counter = self.counters["update"]
        counter.count += 1
        now = self.now_ns()
        expiry = self._moment(expiry, now)
        size = size_of(content)
        large = self.is_large(size)
        if not large and self.set(alias, kind, content, expiry, now):
            created = False
        else:
            lasting = NEVER if expiry == PRESERVE else expiry
            created = not large and self.insert(alias, kind, content, lasting, now)
            if not created:  # large, or the entry has expired, or was created meanwhile
                with self.connection.transaction():
                    entry = self.find(alias, now)
                    if entry is None:
                        self.replace(alias, kind, content, lasting, now)
                        created = True
                    elif entry.type != kind:
                        raise error_for(ErrorCode.INCOMPATIBLE_TYPE)
                    else:
                        self.exchange(alias, kind, content, expiry, now)
        counter.successes += 1
        counter.in_bytes += size
        self._wrote(size)
        return created

    def get_and_update(self, alias: str, kind: int, content: Buffer, expiry: int) -> Stored:
        """Replace the content and return the old one."""
        counter = self.counters["get_and_update"]
        counter.count += 1
        now = self.now_ns()
        expiry = self._moment(expiry, now)
        with self.connection.transaction():
            before = self.content(self.live(alias, kind, now))
            self.exchange(alias, kind, content, expiry, now)
        counter.successes += 1
        counter.in_bytes += len(content)
        counter.out_bytes += size_of(before)
        self._wrote(len(content))
        return before

    def compare_and_swap(
        self, alias: str, kind: int, content: Buffer, comparand: Buffer, expiry: int
    ) -> Stored:
        """Replace the content and return None if it equals the comparand; else return it."""
        counter = self.counters["compare_and_swap"]
        counter.count += 1
        now = self.now_ns()
        expiry = self._moment(expiry, now)
        if self.is_large(len(content)) or self.is_large(len(comparand)):
            current, swapped = self._swap_whole(alias, kind, content, comparand, expiry, now)
        else:
            current, swapped = self._swap(alias, kind, content, comparand, expiry, now)
        if not swapped:
            counter.out_bytes += size_of(current)
            return current
        counter.successes += 1
        counter.in_bytes += len(content)
        self._wrote(len(content))
        return None

    def _swap(
        self, alias: str, kind: int, content: Buffer, comparand: Buffer, expiry: int, now: int
    ) -> tuple[Stored, bool]:
        """Swap by one statement; return the current content unless swapped, and whether it was."""
        parameters: tuple[object, ...]
        if expiry == PRESERVE:
            sql = rows.SWAP_ONLY
            parameters = (content, now, alias, kind, now // _MS, comparand)
        else:
            sql = rows.SWAP
            parameters = (content, now, expiry, alias, kind, now // _MS, comparand)
        for _ in range(_TRIES):
            changed = self.connection.change(sql, parameters)
            self.connection.forget(sql, len(parameters), max(len(content), len(comparand)))
            if changed:
                return None, True
            entry = self.live(alias, kind, now)
            if entry.is_large:
                return self._swap_whole(alias, kind, content, comparand, expiry, now)
            if checked_content(entry.content, kind) != comparand:  # else it was changed meanwhile
                return entry.content, False
        raise damaged("The row of an entry")

    def _swap_whole(
        self, alias: str, kind: int, content: Buffer, comparand: Buffer, expiry: int, now: int
    ) -> tuple[Stored, bool]:
        """Swap as `_swap` does, in a transaction, also for large contents."""
        with self.connection.transaction():
            current = self.content(self.live(alias, kind, now))
            if not is_same(current, comparand):
                return current, False
            self.exchange(alias, kind, content, expiry, now)
        return None, True

    def get_and_remove(self, alias: str, kind: int) -> Stored:
        """Remove an entry and return its content."""
        counter = self.counters["get_and_remove"]
        counter.count += 1
        now = self.now_ns()
        row = self.connection.one(rows.TAKE, (alias, kind, now // _MS))
        if row is not None:
            content: Stored = row[0]
        else:
            with self.connection.transaction():
                content = self.content(self.live(alias, kind, now))
                self.connection.change(rows.REMOVE, (alias, now // _MS))
        counter.successes += 1
        counter.out_bytes += size_of(content)
        self._wrote()
        return content

    def remove_if(self, alias: str, kind: int, comparand: Buffer) -> None:
        """Remove an entry if its content equals the comparand."""
        counter = self.counters["remove_if"]
        counter.count += 1
        now = self.now_ns()
        removed = self.connection.change(rows.REMOVE_IF, (alias, kind, comparand, now // _MS))
        self.connection.forget(rows.REMOVE_IF, 4, len(comparand))
        if not removed:
            with self.connection.transaction():
                if not is_same(self.content(self.live(alias, kind, now)), comparand):
                    raise error_for(ErrorCode.UNMATCHED_CONTENT)
                self.connection.change(rows.REMOVE, (alias, now // _MS))
        counter.successes += 1
        self._wrote()

    def remove(self, alias: str, kind: int | None = None) -> None:
        """Remove an entry, of one type or of any."""
        counter = self.counters["remove"]
        counter.count += 1
        now = self.now_ns()
        for _ in range(_TRIES):
            if kind is None:
                removed = self.connection.change(rows.REMOVE, (alias, now // _MS))
            else:
                removed = self.connection.change(rows.REMOVE_TYPED, (alias, kind, now // _MS))
            if removed:
                break
            self.live(alias, kind, now)
        else:
            raise damaged("The row of an entry")
        counter.successes += 1
        self._wrote()

    def add(self, alias: str, addend: int) -> int:
        """Add to an integer and return the sum; unchanged on `OVERFLOW` and `UNDERFLOW`."""
        addend = integer(addend)
        now = self.now_ns()
        low, high = max(_INT_MIN, _INT_MIN - addend), min(_INT_MAX, _INT_MAX - addend)
        known = (addend, now, alias, _INTEGER, now // _MS, low, high)
        for _ in range(_TRIES):
            row = self.connection.one(rows.ADD, known)
            if row is not None:
                self._wrote()
                return int(row[0])
            value = checked_content(self.live(alias, _INTEGER, now).content, _INTEGER)
            if not isinstance(value, int) or not low <= value <= high:
                raise error_for(ErrorCode.OVERFLOW if addend > 0 else ErrorCode.UNDERFLOW)
        raise damaged("The row of an entry")

    def add_to_stamp(self, alias: str, nanoseconds: int) -> int:
        """Add to a timestamp and return the sum."""
        kind = int(EntryType.TIMESTAMP)
        with self.connection.transaction():
            total = nanoseconds + of_stamp(self.get(alias, kind))
            if total not in STAMPS:
                raise error_for(ErrorCode.OVERFLOW if total > 0 else ErrorCode.UNDERFLOW)
            self.update(alias, kind, as_stamp(total), PRESERVE)
        return total

    def add_double(self, alias: str, addend: float) -> Stored:
        """Add to a double and return the sum, None for NaN. The sum may be infinite."""
        now = self.now_ns()
        for _ in range(_TRIES):
            row = self.connection.one(
                rows.ADD_DOUBLE, (float(addend), now, alias, _DOUBLE, now // _MS)
            )
            if row is not None:
                self._wrote()
                total: Stored = row[0]
                return total
            checked_content(self.live(alias, _DOUBLE, now).content, _DOUBLE)
        raise damaged("The row of an entry")

    def expires_at(self, alias: str, expiry: int) -> None:
        """Set the time of expiry, in ms since the epoch; `PRESERVE` only checks for the entry."""
        self._expire(alias, expiry, self.now_ns())

    def expires_from_now(self, alias: str, milliseconds: int) -> None:
        """Set the time of expiry, counted from now."""
        now = self.now_ns()
        # 0 and -1 would be NEVER and PRESERVE.
        self._expire(alias, max(1, integer(milliseconds) + now // _MS), now)

    def kind_of(self, alias: str) -> EntryType:
        """Return the type of an entry."""
        return _entry_type(self.live(alias, None, self.now_ns()).type)

    def expiry(self, alias: str) -> int:
        """Return the time of expiry, in ms since the epoch, 0 for never."""
        return self.live(alias, None, self.now_ns()).expiry

    def metadata(self, alias: str) -> Metadata:
        """Return type, size and times of an entry."""
        now = self.now_ns()
        row = self.connection.one(rows.METADATA, (alias, now // _MS))
        if row is None:
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)
        if any(type(value) is not int for value in row) or row[4] < 0:
            raise damaged("The row of an entry")
        return Metadata(
            type=_entry_type(row[1]),
            size=row[4],
            modified=row[3],
            expiry=row[2] * _MS,
            reference=(row[0], 0, 0, 0),
        )

    def purge(self) -> None:
        """Remove all entries."""
        self.counters["purge_all"].count += 1
        with self.connection.transaction():
            self.connection.change("DELETE FROM tagging")
            self.connection.change("DELETE FROM entry WHERE alias > ''")
        self.counters["purge_all"].successes += 1
        self.sweep()

    def ensure_tag(self, tag: str, now: int) -> int:
        """Return the id of a tag, created if it does not exist; part of a transaction."""
        entry = self.find(tag, now)
        if entry is None:
            self.replace(tag, _TAG, None, NEVER, now)
            entry = self.live(tag, _TAG, now)
        elif entry.type != _TAG:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE, f"{tag!r} is not a tag.")
        return entry.id

    def id_of(self, alias: str, now: int) -> int:
        """Return the id of an entry."""
        return self.live(alias, None, now).id

    def tag_id(self, tag: str, now: int) -> int | None:
        """Return the id of a tag; None if no entry has its name."""
        entry = self.find(tag, now)
        if entry is None:
            return None
        if entry.type != _TAG:
            raise error_for(ErrorCode.INCOMPATIBLE_TYPE, f"{tag!r} is not a tag.")
        return entry.id

    def _moment(self, expiry: int, now: int) -> int:
        return expiry if expiry == NEVER else deadline(expiry, now // _MS)

    def _expire(self, alias: str, expiry: int, now: int) -> None:
        expiry = deadline(expiry, now // _MS)
        if expiry == PRESERVE:
            self.live(alias, None, now)
        elif not self.connection.change(rows.EXPIRE, (expiry, alias, now // _MS)):
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)

    def _wrote(self, size: int = 0) -> None:
        self._due -= _EVERY_LARGE if self.is_large(size) else 1
        if self._due <= 0 and not self.connection.in_transaction:
            self.sweep()

    def sweep_if_due(self) -> None:
        """Sweep if that is due after writes in a transaction, which can't do it themselves."""
        if self._due <= 0 and not self.connection.in_transaction:
            self.sweep()

    def sweep(self) -> None:
        """Delete some expired entries. Errors are ignored, since the caller's write is done."""
        self._due = _EVERY
        now = self.now_ns() // _MS
        self.connection.give_up_at = 0  # don't wait for locks
        try:
            if self.connection.one(rows.DUE, (now,)):
                self.connection.change(rows.SWEEP, (now, _SWEPT))
        except QuasardbException:
            return
        self.tidy()

    def tidy(self) -> None:
        """Delete the files of removed large contents, as far as that is possible now."""
        self.connection.give_up_at = 0
        if self.large is not None:
            with suppress(QuasardbException):
                self.large.tidy()


def _entry_type(number: int) -> EntryType:
    try:
        return EntryType(number)
    except ValueError:
        raise damaged("The type of an entry") from None
