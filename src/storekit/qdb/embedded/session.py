"""The session: checks what it is given, takes the lock, and has the others do it."""

from collections.abc import Sequence

from storekit.qdb.alone import run_alone
from storekit.qdb.embedded.batches import Batches
from storekit.qdb.embedded.checks import check_alias, check_limit, check_name
from storekit.qdb.embedded.connection import Connection
from storekit.qdb.embedded.entries import Entries
from storekit.qdb.embedded.finding import Finding
from storekit.qdb.embedded.large_contents import LargeContents
from storekit.qdb.embedded.node import Node
from storekit.qdb.embedded.tags import Tags
from storekit.qdb.embedded.typed import TypedOperations
from storekit.qdb.engine import EntryType, Metadata, Operation, Outcome
from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["EmbeddedSession"]


class EmbeddedSession(TypedOperations):
    """A session with an embedded store, as `storekit.qdb.engine.TypedSession` describes it.

    Any thread may call it; calls of one session wait for each other. Errors are
    `QuasardbException`s. Besides those of the protocol, there may be `RESOURCE_LOCKED` when
    another process keeps the store locked for longer than the engine's timeout,
    `NO_SPACE_LEFT`, `OPERATION_NOT_PERMITTED` for what can't be written, `DATA_CORRUPTION`
    and `SYSTEM_LOCAL`: nothing of the call is stored then.
    """

    def __init__(
        self, connection: Connection, node: Node, large: LargeContents | None = None
    ) -> None:
        self._connection = connection
        self._node = node
        self._large = large
        self._entries = Entries(connection, large)
        self._tags = Tags(self._entries)
        self._finding = Finding(connection, large)
        self._batches = Batches(self._entries, self._tags)
        self._closed = False
        node.opened(self._entries.counters)

    # Entries of any type

    def remove(self, alias: str) -> None:
        """Remove an entry, and its tags from it."""
        check_name(alias)
        with self._connection.lock:
            self._entries.remove(alias)

    def expires_at(self, alias: str, expiry: int) -> None:
        """Set the time of expiry, in milliseconds since the epoch, 0 for never."""
        check_name(alias)
        with self._connection.lock:
            self._entries.expires_at(alias, expiry)

    def expires_from_now(self, alias: str, milliseconds: int) -> None:
        """Have an entry expire in so many milliseconds; with 0 it is gone at once."""
        check_name(alias)
        with self._connection.lock:
            self._entries.expires_from_now(alias, milliseconds)

    def get_expiry_time(self, alias: str) -> int:
        """Return the time of expiry, in milliseconds since the epoch, 0 for never."""
        check_name(alias)
        with self._connection.lock:
            return self._entries.expiry(alias)

    def get_type(self, alias: str) -> EntryType:
        """Return the type of an entry."""
        check_name(alias)
        with self._connection.lock:
            return self._entries.kind_of(alias)

    def get_metadata(self, alias: str) -> Metadata:
        """Return what is known about an entry."""
        check_alias(alias)
        with self._connection.lock:
            return self._entries.metadata(alias)

    def purge_all(self, timeout: float) -> None:
        """Remove every entry, in one change; the timeout of the engine applies."""
        if timeout <= 0:
            raise error_for(ErrorCode.INVALID_ARGUMENT, "A timeout is greater than 0.")
        with self._connection.lock:
            self._entries.purge()

    # Finding

    def prefix_get(self, prefix: str, max_count: int) -> list[str]:
        """Return the first aliases with a prefix, in ascending order of their bytes."""
        check_alias(prefix)
        limit = check_limit(max_count)
        with self._connection.lock:
            return self._finding.prefix(prefix, limit)

    def prefix_count(self, prefix: str) -> int:
        """Return how many aliases have a prefix."""
        check_alias(prefix)
        with self._connection.lock:
            return self._finding.prefix_count(prefix)

    def suffix_get(self, suffix: str, max_count: int) -> list[str]:
        """Return the first aliases with a suffix, in ascending order of their bytes."""
        check_alias(suffix)
        limit = check_limit(max_count)
        with self._connection.lock:
            return self._finding.suffix(suffix, limit)

    def suffix_count(self, suffix: str) -> int:
        """Return how many aliases have a suffix."""
        check_alias(suffix)
        with self._connection.lock:
            return self._finding.suffix_count(suffix)

    def scan(self, cursor: object, count: int) -> tuple[list[tuple[str, bytes]], object]:
        """Return the next blobs, at most `count`, and a cursor to go on from, None at the end.

        Fewer may come before the end where they are large. A cursor holds nothing open.
        """
        limit = check_limit(count)
        with self._connection.lock:
            return self._finding.scan(cursor, limit)

    def scan_close(self, cursor: object) -> None:
        """Do nothing: a cursor holds nothing open."""

    # Tags

    def attach_tag(self, alias: str, tag: str) -> None:
        """Attach a tag; `TAG_ALREADY_SET` is raised."""
        check_name(alias)
        check_name(tag)
        with self._connection.lock:
            self._tags.attach(alias, [tag], only_new=True)

    def attach_tags(self, alias: str, tags: Sequence[str]) -> None:
        """Attach those tags that are not attached yet; all, or none if that fails."""
        check_name(alias)
        for tag in tags:
            check_name(tag)
        if tags:
            with self._connection.lock:
                self._tags.attach(alias, tags)

    def detach_tag(self, alias: str, tag: str) -> None:
        """Detach a tag; `TAG_NOT_SET` is raised."""
        check_name(alias)
        check_name(tag)
        with self._connection.lock:
            self._tags.detach(alias, [tag], only_set=True)

    def detach_tags(self, alias: str, tags: Sequence[str]) -> None:
        """Detach those tags that are attached."""
        check_name(alias)
        for tag in tags:
            check_name(tag)
        if tags:
            with self._connection.lock:
                self._tags.detach(alias, tags)

    def has_tag(self, alias: str, tag: str) -> bool:
        """Return whether an entry has a tag."""
        check_name(alias)
        check_name(tag)
        with self._connection.lock:
            return self._tags.has(alias, tag)

    def get_tags(self, alias: str) -> list[str]:
        """Return the tags of an entry, in ascending order."""
        check_name(alias)
        with self._connection.lock:
            return self._tags.of(alias)

    def get_tagged(self, tag: str) -> list[str]:
        """Return the aliases that have a tag, in ascending order."""
        check_name(tag)
        with self._connection.lock:
            return self._tags.tagged(tag)

    def get_tagged_count(self, tag: str) -> int:
        """Return how many entries have a tag."""
        check_name(tag)
        with self._connection.lock:
            return self._tags.tagged_count(tag)

    # Batches

    def run_batch(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Run each for itself, in order; none if one is malformed."""
        with self._connection.lock:
            return self._batches.run(operations)

    def run_joined(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Run each as if it were alone."""
        return [run_alone(self, operation) for operation in operations]

    def run_transaction(self, operations: Sequence[Operation]) -> tuple[int, int, list[Outcome]]:
        """Run all in order or none: error code, index of the one that failed, outcomes."""
        with self._connection.lock:
            return self._batches.transact(operations)

    # The node

    def node_status(self, node: str) -> bytes:
        """Return the state of the node, as JSON."""
        self._node.check(node)
        with self._connection.lock:
            count, size = self._finding.totals()
        return self._node.status(count, size)

    def node_config(self, node: str) -> bytes:
        """Return the settings of the node, as JSON."""
        self._node.check(node)
        return self._node.config()

    def node_topology(self, node: str) -> bytes:
        """Return the neighbours of the node, as JSON."""
        self._node.check(node)
        return self._node.topology()

    def node_stop(self, node: str, reason: str) -> None:
        """Raise `OPERATION_DISABLED`: the node ends with its process."""
        if not reason:
            raise error_for(ErrorCode.INVALID_ARGUMENT, "Give a reason.")
        self._node.check(node)
        raise error_for(ErrorCode.OPERATION_DISABLED, "An embedded store ends with its process.")

    def close(self) -> None:
        """Close the session. Closing twice is fine."""
        with self._connection.lock:
            if self._closed:
                return
            self._closed = True
            self._entries.tidy()
            self._connection.close()
        self._node.closed(self._entries.counters)
