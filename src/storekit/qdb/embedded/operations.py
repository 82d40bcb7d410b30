"""The operations of a session: they check arguments, and call the parts that do the work."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TypeVar, TypeVarTuple

from storekit.qdb.alone import run_alone
from storekit.qdb.embedded.batches import EmbeddedBatches
from storekit.qdb.embedded.checks import check_alias, check_limit, check_name, integer, plain
from storekit.qdb.embedded.connection import READING, WRITING, Connection
from storekit.qdb.embedded.entries import EmbeddedEntries
from storekit.qdb.embedded.finding import EmbeddedSearches
from storekit.qdb.embedded.large_contents import LargeContents
from storekit.qdb.embedded.regex import Regex
from storekit.qdb.embedded.rows import Content, Stored, as_stamp, damaged, of_stamp, size_of
from storekit.qdb.embedded.status import EmbeddedNode
from storekit.qdb.embedded.tags import EmbeddedTags
from storekit.qdb.embedded.walking import EmbeddedWalks
from storekit.qdb.engine import (
    BatchOperation,
    Buffer,
    EntryType,
    Metadata,
    Outcome,
    WholeEntry,
)
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["EmbeddedOperations"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Plain numbers, which sqlite3 binds faster than members of an enumeration.
_BLOB = int(EntryType.BLOB)
_INTEGER = int(EntryType.INTEGER)
_DOUBLE = int(EntryType.DOUBLE)
_TIMESTAMP = int(EntryType.TIMESTAMP)
_STRING = int(EntryType.STRING)
_NAN = float("nan")


class EmbeddedOperations:
    """The operations on the entries of a store, over one connection and for one engine.

    Callers hold the lock of the connection and, for writes, the turn at the file: see
    `EmbeddedSession`, which takes both, and `WriteQueue`, where one thread writes for others.
    `node` has the clock and the statistics of the engine.
    """

    def __init__(
        self, connection: Connection, node: EmbeddedNode, large: LargeContents | None = None
    ) -> None:
        self.connection = connection
        self.node = node
        self.large = large
        self.entries: EmbeddedEntries = EmbeddedEntries(connection, large, node.now_ns)
        self.tags: EmbeddedTags = EmbeddedTags(self.entries)
        self.finding: EmbeddedSearches = EmbeddedSearches(connection, large, node.now_ns)
        self.batches: EmbeddedBatches = EmbeddedBatches(self.entries, self.tags)
        self.walks: EmbeddedWalks = EmbeddedWalks(self.entries)
        self._for_nodes: dict[EmbeddedNode, EmbeddedOperations] = {}
        node.count(self.entries.counters)

    def for_node(self, node: EmbeddedNode) -> "EmbeddedOperations":
        """Return operations on the same connection for another engine."""
        if node is self.node:
            return self
        if node not in self._for_nodes:
            self._for_nodes[node] = EmbeddedOperations(self.connection, node, self.large)
        return self._for_nodes[node]

    def sweep_if_due(self) -> None:
        """Delete expired entries if that is due after writes in a transaction."""
        for each in (self, *self._for_nodes.values()):
            each.entries.sweep_if_due()

    def end(self) -> None:
        """Add the final statistics to those of the nodes."""
        for each in (self, *self._for_nodes.values()):
            each.node.keep(each.entries.counters)

    def _read(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return the result of a function that changes nothing."""
        return function(*args)

    def _write(self, function: "Callable[[EmbeddedOperations], T]", size: int = 0) -> T:  # noqa: ARG002 - for sessions
        """Return the result of a function that writes with the operations it is passed.

        `size` is the size of its content in bytes.
        """
        return function(self)

    # Blobs

    def blob_put(self, alias: str, content: Buffer, expiry: int) -> None:
        """Create a blob."""
        self._put(_BLOB, alias, plain(content), expiry)

    def blob_update(self, alias: str, content: Buffer, expiry: int) -> bool:
        """Create or replace a blob; return whether it was created."""
        return self._update(_BLOB, alias, plain(content), expiry)

    def blob_get(self, alias: str) -> bytes | memoryview:
        """Return the content of a blob."""
        check_alias(alias)
        return self._read(self.entries.get, alias, _BLOB)  # type: ignore[return-value]

    def blob_get_into(self, alias: str, place: memoryview) -> bytes | memoryview:
        """Return the content of a blob; large content in the memory of `place`, if it fits."""
        check_alias(alias)
        return self._read(self.entries.get, alias, _BLOB, place)  # type: ignore[return-value]

    def blob_get_many(self, aliases: Sequence[str]) -> list[bytes | memoryview | QuasardbException]:
        """Return the content of each blob, or its error."""
        found: list[bytes | memoryview | QuasardbException] = []
        self._read(self._get_each, aliases, found)
        return found

    def _get_each(
        self, aliases: Sequence[str], found: list[bytes | memoryview | QuasardbException]
    ) -> None:
        with self.connection.transaction(READING):
            for alias in aliases:
                try:
                    check_alias(alias)
                    found.append(self.entries.get(alias, _BLOB))  # type: ignore[arg-type]
                except QuasardbException as error:
                    # Without the traceback, which would keep this frame and all contents in it.
                    found.append(error.with_traceback(None))

    def blob_get_and_remove(self, alias: str) -> bytes:
        """Remove a blob and return its content."""
        return self._take(_BLOB, alias)

    def blob_get_and_update(self, alias: str, content: Buffer, expiry: int) -> bytes:
        """Replace a blob and return the old content."""
        return self._replace(_BLOB, alias, plain(content), expiry)

    def blob_compare_and_swap(
        self, alias: str, content: Buffer, comparand: Buffer, expiry: int
    ) -> bytes | None:
        """Replace a blob and return None if `comparand` matches; else return the content."""
        return self._swap(_BLOB, alias, plain(content), plain(comparand), expiry)

    def blob_remove_if(self, alias: str, comparand: Buffer) -> None:
        """Remove a blob if `comparand` matches; else raise `UNMATCHED_CONTENT`."""
        self._remove_if(_BLOB, alias, plain(comparand))

    def blob_scan(self, pattern: Buffer, max_count: int) -> list[str]:
        """Return the first aliases of blobs that contain the pattern, in ascending order."""
        return self._containing(_BLOB, bytes(plain(pattern)), max_count)

    def blob_scan_regex(self, pattern: str, max_count: int) -> list[str]:
        """Return the first aliases of blobs that match the expression, in ascending order.

        The time is proportional to the contents; see `storekit.qdb.embedded.regex`.
        """
        return self._matching(_BLOB, pattern, max_count)

    # Numbers

    def int_put(self, alias: str, value: int, expiry: int) -> None:
        """Create a signed 64-bit integer."""
        self._put(_INTEGER, alias, integer(value), expiry)

    def int_update(self, alias: str, value: int, expiry: int) -> bool:
        """Create or set an integer; return whether it was created."""
        return self._update(_INTEGER, alias, integer(value), expiry)

    def int_get(self, alias: str) -> int:
        """Return an integer."""
        return self._get(_INTEGER, alias)  # type: ignore[return-value]  # as stored

    def int_add(self, alias: str, addend: int) -> int:
        """Add to an integer and return the sum; `OVERFLOW` and `UNDERFLOW` change nothing."""
        check_name(alias)
        addend = integer(addend)
        return self._write(lambda do: do.entries.add(alias, addend))

    def double_put(self, alias: str, value: float, expiry: int) -> None:
        """Create a double."""
        self._put(_DOUBLE, alias, float(value), expiry)

    def double_update(self, alias: str, value: float, expiry: int) -> bool:
        """Create or set a double; return whether it was created."""
        return self._update(_DOUBLE, alias, float(value), expiry)

    def double_get(self, alias: str) -> float:
        """Return a double."""
        content = self._get(_DOUBLE, alias)
        return _NAN if content is None else content  # type: ignore[return-value]  # as stored

    def double_add(self, alias: str, addend: float) -> float:
        """Add to a double and return the sum, which may be infinite."""
        check_name(alias)
        addend = float(addend)
        total = self._write(lambda do: do.entries.add_double(alias, addend))
        return _NAN if total is None else total  # type: ignore[return-value]  # as stored

    # Strings

    def string_put(self, alias: str, content: str, expiry: int) -> None:
        """Create a string."""
        self._put(_STRING, alias, _encoded(content), expiry)

    def string_update(self, alias: str, content: str, expiry: int) -> bool:
        """Create or replace a string; return whether it was created."""
        return self._update(_STRING, alias, _encoded(content), expiry)

    def string_get(self, alias: str) -> str:
        """Return a string."""
        check_alias(alias)
        return _decoded(self._read(self.entries.get, alias, _STRING))

    def string_get_and_remove(self, alias: str) -> str:
        """Remove a string and return it."""
        return _decoded(self._take(_STRING, alias))

    def string_get_and_update(self, alias: str, content: str, expiry: int) -> str:
        """Replace a string and return the old one."""
        return _decoded(self._replace(_STRING, alias, _encoded(content), expiry))

    def string_compare_and_swap(
        self, alias: str, content: str, comparand: str, expiry: int
    ) -> str | None:
        """Replace a string and return None if `comparand` matches; else return the string."""
        current = self._swap(_STRING, alias, _encoded(content), _encoded(comparand), expiry)
        return None if current is None else _decoded(current)

    def string_remove_if(self, alias: str, comparand: str) -> None:
        """Remove a string if `comparand` matches; else raise `UNMATCHED_CONTENT`."""
        self._remove_if(_STRING, alias, _encoded(comparand))

    def string_scan(self, pattern: str, max_count: int) -> list[str]:
        """Return the first aliases of strings that contain the pattern, in ascending order."""
        return self._containing(_STRING, bytes(_encoded(pattern)), max_count)

    def string_scan_regex(self, pattern: str, max_count: int) -> list[str]:
        """Return the first aliases of strings that match the expression, in ascending order."""
        return self._matching(_STRING, pattern, max_count)

    # Timestamps, in nanoseconds since the epoch

    def timestamp_put(self, alias: str, nanoseconds: int, expiry: int) -> None:
        """Create a timestamp."""
        self._put(_TIMESTAMP, alias, as_stamp(nanoseconds), expiry)

    def timestamp_update(self, alias: str, nanoseconds: int, expiry: int) -> bool:
        """Create or set a timestamp; return whether it was created."""
        return self._update(_TIMESTAMP, alias, as_stamp(nanoseconds), expiry)

    def timestamp_get(self, alias: str) -> int:
        """Return a timestamp."""
        return of_stamp(self._get(_TIMESTAMP, alias))

    def timestamp_add(self, alias: str, nanoseconds: int) -> int:
        """Add to a timestamp and return the sum."""
        check_name(alias)
        return self._write(lambda do: do.entries.add_to_stamp(alias, nanoseconds))

    # Entries of any type

    def remove(self, alias: str) -> None:
        """Remove an entry, and detach its tags."""
        check_name(alias)
        self._write(lambda do: do.entries.remove(alias))

    def expires_at(self, alias: str, expiry: int) -> None:
        """Set the time of expiry, in milliseconds since the epoch, 0 for never."""
        check_name(alias)
        self._write(lambda do: do.entries.expires_at(alias, expiry))

    def expires_from_now(self, alias: str, milliseconds: int) -> None:
        """Set the time of expiry, in milliseconds from now; with 0, it expires at once."""
        check_name(alias)
        milliseconds = integer(milliseconds)
        self._write(lambda do: do.entries.expires_from_now(alias, milliseconds))

    def get_expiry_time(self, alias: str) -> int:
        """Return the time of expiry, in milliseconds since the epoch, 0 for never."""
        check_name(alias)
        return self._read(self.entries.expiry, alias)

    def get_type(self, alias: str) -> EntryType:
        """Return the type of an entry."""
        check_name(alias)
        return self._read(self.entries.kind_of, alias)

    def get_metadata(self, alias: str) -> Metadata:
        """Return type, size and times of an entry."""
        check_alias(alias)
        return self._read(self.entries.metadata, alias)

    def purge_all(self, timeout: float) -> None:
        """Remove all entries, in one transaction; the timeout of the engine applies."""
        if timeout <= 0:
            raise error_for(ErrorCode.INVALID_ARGUMENT, "The timeout must be greater than 0.")
        self._write(lambda do: do.entries.purge())

    # Finding

    def prefix_get(self, prefix: str, max_count: int) -> list[str]:
        """Return the first aliases with a prefix, in ascending order of their bytes."""
        check_alias(prefix)
        limit = check_limit(max_count)
        return self._read(self.finding.prefix, prefix, limit)

    def prefix_count(self, prefix: str) -> int:
        """Return how many aliases have a prefix."""
        check_alias(prefix)
        return self._read(self.finding.prefix_count, prefix)

    def suffix_get(self, suffix: str, max_count: int) -> list[str]:
        """Return the first aliases with a suffix, in ascending order of their bytes."""
        check_alias(suffix)
        limit = check_limit(max_count)
        return self._read(self.finding.suffix, suffix, limit)

    def suffix_count(self, suffix: str) -> int:
        """Return how many aliases have a suffix."""
        check_alias(suffix)
        return self._read(self.finding.suffix_count, suffix)

    def scan(self, cursor: object, count: int) -> tuple[list[tuple[str, bytes]], object]:
        """Return the next blobs, at most `count`, and a cursor to continue from, None at the end.

        Fewer are returned if they are large. A cursor holds no resources.
        """
        limit = check_limit(count)
        return self._read(self.finding.scan, cursor, limit)

    def scan_close(self, cursor: object) -> None:
        """Do nothing: a cursor holds no resources."""

    def walk_entries(self, cursor: object, count: int) -> tuple[list[WholeEntry], object]:
        """Return the next entries of all types, and a cursor to continue from, None at the end."""
        limit = check_limit(count)
        return self._read(self.walks.walk, cursor, limit)

    def read_entries(
        self,
        aliases: Sequence[str],
        contents: Sequence[Buffer] | None = None,  # noqa: ARG002 - reading them needs no extra call
        tags: bool = True,  # noqa: ARG002 - as above
        types: Sequence[EntryType] | None = None,  # noqa: ARG002 - as above
    ) -> list[WholeEntry | None]:
        """Return entries of any type, read at one moment, None for those that do not exist."""
        for alias in aliases:
            check_alias(alias)
        return self._read(self.walks.read, aliases)

    # Tags

    def attach_tag(self, alias: str, tag: str) -> None:
        """Attach a tag; raise `TAG_ALREADY_SET` if the entry has it."""
        check_name(alias)
        check_name(tag)
        self._write(lambda do: do.tags.attach(alias, [tag], only_new=True))

    def attach_tags(self, alias: str, tags: Sequence[str]) -> None:
        """Attach those tags that are not attached yet; none of them if that fails."""
        check_name(alias)
        for tag in tags:
            check_name(tag)
        if tags:
            self._write(lambda do: do.tags.attach(alias, tags))

    def detach_tag(self, alias: str, tag: str) -> None:
        """Detach a tag; raise `TAG_NOT_SET` if the entry does not have it."""
        check_name(alias)
        check_name(tag)
        self._write(lambda do: do.tags.detach(alias, [tag], only_set=True))

    def detach_tags(self, alias: str, tags: Sequence[str]) -> None:
        """Detach those tags that are attached."""
        check_name(alias)
        for tag in tags:
            check_name(tag)
        if tags:
            self._write(lambda do: do.tags.detach(alias, tags))

    def has_tag(self, alias: str, tag: str) -> bool:
        """Return whether an entry has a tag."""
        check_name(alias)
        check_name(tag)
        return self._read(self.tags.has, alias, tag)

    def get_tags(self, alias: str) -> list[str]:
        """Return the tags of an entry, in ascending order."""
        check_name(alias)
        return self._read(self.tags.of, alias)

    def get_tagged(self, tag: str) -> list[str]:
        """Return the aliases that have a tag, in ascending order."""
        check_name(tag)
        return self._read(self.tags.tagged, tag)

    def get_tagged_count(self, tag: str) -> int:
        """Return how many entries have a tag."""
        check_name(tag)
        return self._read(self.tags.tagged_count, tag)

    def find(self, query: str) -> list[str]:
        """Return the aliases of the entries that match a query, in ascending order."""
        return self._read(self.finding.matching, query)

    # Joined calls

    def joined(self, operations: Sequence[BatchOperation], *, writes: bool) -> list[Outcome]:
        """Run operations independently, in one transaction; raises if that fails as a whole."""
        with (
            nullcontext()
            if self.connection.in_transaction
            else self.connection.transaction(WRITING if writes else READING)
        ):
            return [self._made(operation) for operation in operations]

    def _made(self, operation: BatchOperation) -> Outcome:
        outcome = run_alone(self, operation)  # type: ignore[arg-type]  # it has these methods
        if not self.connection.in_transaction:  # SQLite has rolled back the whole transaction
            raise error_for(outcome.error, outcome.detail)
        return outcome

    # Operations of several types

    def _put(self, kind: int, alias: str, content: Content, expiry: int) -> None:
        check_name(alias)
        self._write(lambda do: do.entries.put(alias, kind, content, expiry), size_of(content))

    def _update(self, kind: int, alias: str, content: Content, expiry: int) -> bool:
        check_name(alias)
        return self._write(
            lambda do: do.entries.update(alias, kind, content, expiry), size_of(content)
        )

    def _get(self, kind: int, alias: str) -> Stored:
        check_name(alias)
        return self._read(self.entries.get, alias, kind)

    def _take(self, kind: int, alias: str) -> bytes:
        check_name(alias)
        return self._write(lambda do: do.entries.get_and_remove(alias, kind))  # type: ignore[return-value]

    def _replace(self, kind: int, alias: str, content: Buffer, expiry: int) -> bytes:
        check_name(alias)
        return self._write(  # type: ignore[return-value]
            lambda do: do.entries.get_and_update(alias, kind, content, expiry), len(content)
        )

    def _swap(
        self, kind: int, alias: str, content: Buffer, comparand: Buffer, expiry: int
    ) -> bytes | None:
        check_name(alias)
        return self._write(  # type: ignore[return-value]
            lambda do: do.entries.compare_and_swap(alias, kind, content, comparand, expiry),
            len(content) + len(comparand),
        )

    def _remove_if(self, kind: int, alias: str, comparand: Buffer) -> None:
        check_name(alias)
        self._write(lambda do: do.entries.remove_if(alias, kind, comparand), len(comparand))

    def _containing(self, kind: int, pattern: bytes, max_count: int) -> list[str]:
        if not pattern or max_count < 0:
            raise error_for(ErrorCode.INVALID_ARGUMENT)
        return self._read(self.finding.containing, pattern, kind, max_count)

    def _matching(self, kind: int, pattern: str, max_count: int) -> list[str]:
        expression = Regex(pattern)
        if max_count < 0:
            raise error_for(ErrorCode.INVALID_ARGUMENT)
        found: list[str] = []
        after, complete = "", False
        while len(found) < max_count and not complete:
            # The lock is not held while matching, so that other calls can run.
            contents, complete = self._read(self.finding.contents, after, kind)
            for alias, content in contents:
                if expression.search(content):
                    found.append(alias)
                    if len(found) == max_count:
                        break
                after = alias
        return found


def _encoded(text: str) -> Buffer:
    try:
        return plain(text.encode())
    except UnicodeEncodeError:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "A string must be valid in UTF-8.") from None


def _decoded(content: Stored) -> str:
    try:
        return str(content, "utf-8")  # type: ignore[arg-type]  # as stored
    except UnicodeDecodeError:
        raise damaged("A string") from None
