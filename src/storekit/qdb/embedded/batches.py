"""Batches of independent operations, and transactions."""

from collections.abc import Callable, Sequence

from storekit.qdb.embedded.checks import check_alias, check_name, deadline, integer, plain
from storekit.qdb.embedded.connection import READING, WRITING
from storekit.qdb.embedded.entries import EmbeddedEntries
from storekit.qdb.embedded.rows import STAMPS, Content, Stored, as_stamp, of_stamp
from storekit.qdb.embedded.tags import EmbeddedTags
from storekit.qdb.engine import NEVER, PRESERVE, BatchOperation, EntryType, OperationKind, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["READ_ONLY", "TOGETHER", "EmbeddedBatches"]

TOGETHER = 256
"""Largest number of operations in one transaction: more would keep other writers waiting."""

_MS = 1_000_000  # nanoseconds

_READS = {
    OperationKind.BLOB_GET: int(EntryType.BLOB),
    OperationKind.INT_GET: int(EntryType.INTEGER),
    OperationKind.DOUBLE_GET: int(EntryType.DOUBLE),
    OperationKind.STRING_GET: int(EntryType.STRING),
    OperationKind.TIMESTAMP_GET: int(EntryType.TIMESTAMP),
}
_PUTS = {
    OperationKind.BLOB_PUT: int(EntryType.BLOB),
    OperationKind.INT_PUT: int(EntryType.INTEGER),
    OperationKind.DOUBLE_PUT: int(EntryType.DOUBLE),
    OperationKind.STRING_PUT: int(EntryType.STRING),
    OperationKind.TIMESTAMP_PUT: int(EntryType.TIMESTAMP),
}
_UPDATES = {
    OperationKind.BLOB_UPDATE: int(EntryType.BLOB),
    OperationKind.INT_UPDATE: int(EntryType.INTEGER),
    OperationKind.DOUBLE_UPDATE: int(EntryType.DOUBLE),
    OperationKind.STRING_UPDATE: int(EntryType.STRING),
    OperationKind.TIMESTAMP_UPDATE: int(EntryType.TIMESTAMP),
}
_REMOVES = {
    OperationKind.BLOB_REMOVE: int(EntryType.BLOB),
    OperationKind.INT_REMOVE: int(EntryType.INTEGER),
    OperationKind.DOUBLE_REMOVE: int(EntryType.DOUBLE),
    OperationKind.STRING_REMOVE: int(EntryType.STRING),
    OperationKind.TIMESTAMP_REMOVE: int(EntryType.TIMESTAMP),
}
_ADDS = {
    OperationKind.INT_ADD: int(EntryType.INTEGER),
    OperationKind.DOUBLE_ADD: int(EntryType.DOUBLE),
    OperationKind.TIMESTAMP_ADD: int(EntryType.TIMESTAMP),
}
_REPLACE = {
    OperationKind.BLOB_GET_AND_UPDATE: int(EntryType.BLOB),
    OperationKind.STRING_GET_AND_UPDATE: int(EntryType.STRING),
}
_SWAPS = {
    OperationKind.BLOB_CAS: int(EntryType.BLOB),
    OperationKind.STRING_CAS: int(EntryType.STRING),
}
_VALUES = {**_PUTS, **_UPDATES, **_ADDS, **_REPLACE, **_SWAPS}  # kinds with a content
_COMPARES = {*_SWAPS, OperationKind.BLOB_REMOVE_IF}
READ_ONLY = frozenset({*_READS, OperationKind.HAS_TAG, OperationKind.GET_ENTRY_TYPE})
"""Kinds of operations that change nothing."""

_UNRESERVED = {OperationKind.BLOB_GET, OperationKind.STRING_GET}
_SKIPPED = Outcome(ErrorCode.SKIPPED)
_NAN = float("nan")


class EmbeddedBatches:
    """Runs several operations. Callers hold the lock and, for writes, the turn."""

    def __init__(self, entries: EmbeddedEntries, tags: EmbeddedTags) -> None:
        self._entries = entries
        self._tags = tags
        self._connection = entries.connection

    def run(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        """Run operations independently, in one transaction; raises if that fails as a whole."""
        reads = all(operation.kind in READ_ONLY for operation in operations)
        with self._connection.transaction(READING if reads else WRITING):
            outcomes = [self._attempt(operation) for operation in operations]
        if not reads:
            self._entries.sweep_if_due()
        return outcomes

    def refuse(self, operations: Sequence[BatchOperation]) -> tuple[int, int, list[Outcome]] | None:
        """Return the result of a transaction with a malformed operation, None if there is none."""
        for index, operation in enumerate(operations):
            code = self.malformed(operation)
            if code is not None:
                return code, index, _only(index, Outcome(code), len(operations))
        return None

    def transact(self, operations: Sequence[BatchOperation]) -> tuple[int, int, list[Outcome]]:
        """Run all in order, or none; return error code, index of the failed one, outcomes.

        An operation also fails if a comparand does not match or a tag is not set. Raises an
        error that keeps the transaction from beginning, or that rolls back an outer one.
        """
        outcomes: list[Outcome] = []
        begun = inside = self._connection.in_transaction
        try:
            with self._connection.transaction():
                begun = True
                for operation in operations:
                    outcome = self._attempt(operation)
                    outcomes.append(outcome)
                    if not outcome.ok:
                        raise error_for(outcome.error)
        except QuasardbException as error:
            if not begun or (inside and not self._connection.in_transaction):
                raise
            if outcomes and not outcomes[-1].ok:
                index, failed = len(outcomes) - 1, outcomes[-1]
            else:  # the store failed, at an operation or at the COMMIT
                index = min(len(outcomes), len(operations) - 1)
                failed = Outcome(error.error_code)
            return failed.error, index, _only(index, failed, len(operations))
        self._entries.sweep_if_due()
        return ErrorCode.OK, 0, outcomes

    def _attempt(self, operation: BatchOperation) -> Outcome:
        """Run an operation; raise only if the store itself fails."""
        try:
            return self._apply(operation)
        except QuasardbException as error:
            if error.error_code in _OWN_ERRORS:
                return Outcome(error.error_code)
            raise

    def outcome(self, operation: BatchOperation) -> Outcome:
        """Run a single operation; raise only an error that rolls back an outer transaction."""
        inside = self._connection.in_transaction
        try:
            return self._apply(operation)
        except QuasardbException as error:
            if inside and not self._connection.in_transaction:
                raise
            return Outcome(error.error_code)

    def _apply(self, operation: BatchOperation) -> Outcome:
        run = _RUN.get(operation.kind)
        if run is None:
            raise error_for(ErrorCode.NOT_IMPLEMENTED)
        return run(self, operation)

    def _read(self, operation: BatchOperation) -> Outcome:
        kind = _READS[operation.kind]
        content = self._entries.get(operation.alias, kind)
        return Outcome(ErrorCode.OK, _given(kind, content))

    def _put(self, operation: BatchOperation) -> Outcome:
        kind = _PUTS[operation.kind]
        self._entries.put(operation.alias, kind, _value(kind, operation), operation.expiry)
        return Outcome(ErrorCode.OK)

    def _update(self, operation: BatchOperation) -> Outcome:
        kind = _UPDATES[operation.kind]
        value = _value(kind, operation)
        created = self._entries.update(operation.alias, kind, value, operation.expiry)
        return Outcome(ErrorCode.OK_CREATED if created else ErrorCode.OK)

    def _remove(self, operation: BatchOperation) -> Outcome:
        self._entries.remove(operation.alias, _REMOVES.get(operation.kind))
        return Outcome(ErrorCode.OK)

    def _add(self, operation: BatchOperation) -> Outcome:
        kind = _ADDS[operation.kind]
        if kind == EntryType.TIMESTAMP:
            assert isinstance(operation.content, int)  # noqa: S101 - checked by `malformed`
            total_ns = self._entries.add_to_stamp(operation.alias, operation.content)
            return Outcome(ErrorCode.OK, total_ns)
        value = _value(kind, operation)
        assert isinstance(value, (int, float))  # noqa: S101 - checked by `malformed`
        if kind == EntryType.INTEGER:
            return Outcome(ErrorCode.OK, self._entries.add(operation.alias, int(value)))
        total = self._entries.add_double(operation.alias, value)
        return Outcome(ErrorCode.OK, _given(kind, total))

    def _replace(self, operation: BatchOperation) -> Outcome:
        kind = _REPLACE[operation.kind]
        before = self._entries.get_and_update(
            operation.alias, kind, _bytes(operation.content), operation.expiry
        )
        return Outcome(ErrorCode.OK, _given(kind, before))

    def _swap(self, operation: BatchOperation) -> Outcome:
        kind = _SWAPS[operation.kind]
        current = self._entries.compare_and_swap(
            operation.alias,
            kind,
            _bytes(operation.content),
            _bytes(operation.comparand),
            operation.expiry,
        )
        if current is None:
            return Outcome(ErrorCode.OK)
        return Outcome(ErrorCode.UNMATCHED_CONTENT, _given(kind, current))

    def _take(self, operation: BatchOperation) -> Outcome:
        content = self._entries.get_and_remove(operation.alias, EntryType.BLOB)
        return Outcome(ErrorCode.OK, _given(EntryType.BLOB, content))

    def _remove_if(self, operation: BatchOperation) -> Outcome:
        self._entries.remove_if(operation.alias, EntryType.BLOB, _bytes(operation.comparand))
        return Outcome(ErrorCode.OK)

    def _has_tag(self, operation: BatchOperation) -> Outcome:
        known = self._tags.has(operation.alias, operation.tag or "")
        return Outcome(ErrorCode.OK if known else ErrorCode.TAG_NOT_SET)

    def _entry_type(self, operation: BatchOperation) -> Outcome:
        return Outcome(ErrorCode.OK, int(self._entries.kind_of(operation.alias)))

    def malformed(self, operation: BatchOperation) -> int | None:
        """Return the error code of a malformed operation, None if it is well formed."""
        kind = operation.kind
        try:
            if kind not in _RUN:
                raise error_for(ErrorCode.INVALID_ARGUMENT)
            (check_alias if kind in _UNRESERVED else check_name)(operation.alias)
            if kind in _VALUES and not _fits(_VALUES[kind], operation):
                raise error_for(ErrorCode.INVALID_ARGUMENT)
            if kind in _COMPARES and not _is_buffer(operation.comparand):
                raise error_for(ErrorCode.INVALID_ARGUMENT)
            if kind is OperationKind.HAS_TAG:
                check_name(operation.tag or "")
            if operation.expiry not in (NEVER, PRESERVE) and kind in _VALUES:
                deadline(operation.expiry, self._entries.now_ns() // _MS)
        except QuasardbException as error:
            return error.error_code
        return None


_OWN_ERRORS = {
    ErrorCode.ALIAS_NOT_FOUND,
    ErrorCode.ALIAS_ALREADY_EXISTS,
    ErrorCode.INCOMPATIBLE_TYPE,
    ErrorCode.UNMATCHED_CONTENT,
    ErrorCode.OVERFLOW,
    ErrorCode.UNDERFLOW,
    ErrorCode.ENTRY_TOO_LARGE,
    ErrorCode.INVALID_ARGUMENT,
    ErrorCode.TAG_NOT_SET,
}
"""Errors of a single operation, after which the store is unchanged."""

_RUN: dict[OperationKind, Callable[[EmbeddedBatches, BatchOperation], Outcome]] = {
    **dict.fromkeys(_READS, EmbeddedBatches._read),  # noqa: SLF001 - the table of the class above
    **dict.fromkeys(_PUTS, EmbeddedBatches._put),  # noqa: SLF001
    **dict.fromkeys(_UPDATES, EmbeddedBatches._update),  # noqa: SLF001
    **dict.fromkeys(_REMOVES, EmbeddedBatches._remove),  # noqa: SLF001
    **dict.fromkeys(_ADDS, EmbeddedBatches._add),  # noqa: SLF001
    **dict.fromkeys(_REPLACE, EmbeddedBatches._replace),
    **dict.fromkeys(_SWAPS, EmbeddedBatches._swap),  # noqa: SLF001
    OperationKind.REMOVE: EmbeddedBatches._remove,  # noqa: SLF001
    OperationKind.BLOB_GET_AND_REMOVE: EmbeddedBatches._take,  # noqa: SLF001
    OperationKind.BLOB_REMOVE_IF: EmbeddedBatches._remove_if,  # noqa: SLF001
    OperationKind.HAS_TAG: EmbeddedBatches._has_tag,  # noqa: SLF001
    OperationKind.GET_ENTRY_TYPE: EmbeddedBatches._entry_type,  # noqa: SLF001
}


def _only(index: int, outcome: Outcome, count: int) -> list[Outcome]:
    outcomes = [_SKIPPED] * count
    outcomes[index] = outcome
    return outcomes


def _fits(kind: int, operation: BatchOperation) -> bool:
    value = operation.content
    if kind == EntryType.INTEGER:
        return isinstance(value, int) and integer(value) == value
    if kind == EntryType.TIMESTAMP:
        return isinstance(value, int) and value in STAMPS
    if kind == EntryType.DOUBLE:
        return isinstance(value, (int, float))
    if not _is_buffer(value):
        return False
    return kind != EntryType.STRING or _is_utf8(_bytes(value))


def _is_buffer(value: object) -> bool:
    return isinstance(value, (bytes, bytearray, memoryview))


def _is_utf8(content: bytes | bytearray | memoryview) -> bool:
    try:
        str(content, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _value(kind: int, operation: BatchOperation) -> Content:
    if kind == EntryType.DOUBLE and isinstance(operation.content, (int, float)):
        return float(operation.content)
    if kind == EntryType.TIMESTAMP and isinstance(operation.content, int):
        return as_stamp(operation.content)
    if isinstance(operation.content, (int, float)):
        return operation.content
    return _bytes(operation.content)


def _bytes(content: Content) -> bytes | bytearray | memoryview:
    if content is None or isinstance(content, (int, float)):
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    return plain(content)


def _given(kind: int, content: Stored) -> bytes | float | None:
    if kind == EntryType.TIMESTAMP:
        return of_stamp(content)
    if isinstance(content, memoryview):
        return bytes(content)
    return _NAN if content is None and kind == EntryType.DOUBLE else content
