"""Conversion of requests and outcomes for run_batch and run_transaction, and counts of results."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from storekit.codecs.base import Codec, decode_value, encode_value
from storekit.errors import CodecError
from storekit.qdb._show import table
from storekit.qdb.arguments import check_double, check_integer, check_string
from storekit.qdb.codec import STORED, check_comparable
from storekit.qdb.engine import NEVER, BatchOperation, EntryType, OperationKind, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException
from storekit.qdb.times import Expiry, from_nanoseconds, to_milliseconds, to_nanoseconds
from storekit.qdb.values import BatchRequest, BatchResult, copies

__all__ = ["ManyResult", "Tally", "Translation", "explain_transaction", "in_chunks", "size_of"]

_BLOBS = frozenset(
    {
        OperationKind.BLOB_PUT,
        OperationKind.BLOB_UPDATE,
        OperationKind.BLOB_CAS,
        OperationKind.BLOB_GET_AND_UPDATE,
    }
)
_STRINGS = frozenset(
    {
        OperationKind.STRING_PUT,
        OperationKind.STRING_UPDATE,
        OperationKind.STRING_CAS,
        OperationKind.STRING_GET_AND_UPDATE,
    }
)
_INTEGERS = frozenset({OperationKind.INT_PUT, OperationKind.INT_UPDATE, OperationKind.INT_ADD})
_DOUBLES = frozenset(
    {OperationKind.DOUBLE_PUT, OperationKind.DOUBLE_UPDATE, OperationKind.DOUBLE_ADD}
)
_TIMESTAMPS = frozenset({OperationKind.TIMESTAMP_PUT, OperationKind.TIMESTAMP_UPDATE})
_ADDS = frozenset({OperationKind.INT_ADD, OperationKind.DOUBLE_ADD, OperationKind.TIMESTAMP_ADD})
_SWAPS = frozenset({OperationKind.BLOB_CAS, OperationKind.STRING_CAS})
_WITH_CONTENT = _BLOBS | _STRINGS | _INTEGERS | _DOUBLES | _TIMESTAMPS | _ADDS
_WITH_COMPARAND = _SWAPS | {OperationKind.BLOB_REMOVE_IF}
_WITH_EXPIRY = _WITH_CONTENT - _ADDS
_GIVES_TEXT = frozenset(
    {OperationKind.STRING_GET, OperationKind.STRING_CAS, OperationKind.STRING_GET_AND_UPDATE}
)
T = TypeVar("T")

_LONG_AGO = 1
"""Stands for an invalid expiry: every engine refuses it, as the error of its request."""


@dataclass(frozen=True, slots=True)
class Translation:
    """Converts the aliases and values of a batch into those of the store, and back."""

    alias: Callable[[object], str]
    codec: Codec[Any]

    def operations_of(
        self, requests: Iterable[BatchRequest], now: float
    ) -> tuple[list[BatchRequest], list[BatchOperation]]:
        """Check requests; return copies of them, and their operations for an engine.

        Aliases and times are left to the engine, which reports errors for each request.
        Raises `TypeError` and `ValueError`.
        """
        checked = copies(requests)
        return checked, [self._operation(request, now) for request in checked]

    def _operation(self, request: BatchRequest, now: float) -> BatchOperation:
        kind = request.kind
        takes_content, compares = kind in _WITH_CONTENT, kind in _WITH_COMPARAND
        if request.alias is None:
            raise ValueError(f"a request of the batch ({kind.name}) has no alias")
        if request.content is not None and not takes_content:
            raise ValueError(f"a request of the batch ({kind.name}) has content, and takes none")
        if request.comparand is not None and not compares:
            raise ValueError(
                f"a request of the batch ({kind.name}) has a comparand, and takes none"
            )
        if request.tag is not None and kind is not OperationKind.HAS_TAG:
            raise ValueError(f"a request of the batch ({kind.name}) has a tag, and takes none")
        if kind is OperationKind.HAS_TAG and request.tag is None:
            raise ValueError(f"a request of the batch ({kind.name}) has no tag to ask for")
        if kind in (OperationKind.BLOB_CAS, OperationKind.BLOB_REMOVE_IF):
            check_comparable(self.codec, kind.name)
        return BatchOperation(
            kind,
            self.alias(request.alias),
            self._dump(kind, request.content) if takes_content else None,
            self._content(kind, request.comparand) if compares else None,
            _expiry(request.expiry, now) if kind in _WITH_EXPIRY else NEVER,
            None if request.tag is None else self.alias(request.tag),
        )

    def _dump(self, kind: OperationKind, value: object) -> bytes | int | float:
        if kind in _INTEGERS:
            return check_integer(value)
        if kind in _DOUBLES:
            return check_double(value)
        if kind in _TIMESTAMPS:
            return to_nanoseconds(value, datetime)
        if kind is OperationKind.TIMESTAMP_ADD:
            return to_nanoseconds(value, timedelta)
        return self._content(kind, value)

    def _content(self, kind: OperationKind, value: object) -> bytes:
        if kind in _STRINGS:
            return check_string(value).encode()
        if value is None and self.codec is STORED:
            return b""
        return encode_value(self.codec, value)

    def results_of(
        self,
        requests: Sequence[BatchRequest],
        operations: Sequence[BatchOperation],
        outcomes: Sequence[Outcome],
    ) -> tuple[int, list[BatchResult[Any]]]:
        """Return how many were successful, and the result of each."""
        results = [
            self._result(request, operation, outcome)
            for request, operation, outcome in zip(requests, operations, outcomes, strict=True)
        ]
        return sum(result.ok for result in results), results

    def _result(
        self, request: BatchRequest, operation: BatchOperation, outcome: Outcome
    ) -> BatchResult[Any]:
        kind, content = operation.kind, outcome.content
        if kind in _SWAPS and outcome.ok:
            content = bytes(operation.comparand or b"")  # the original content, as documented
        elif kind is OperationKind.BLOB_GET and outcome.ok and content is None:
            content = b""
        elif kind is OperationKind.HAS_TAG and outcome.error in (
            ErrorCode.OK,
            ErrorCode.TAG_NOT_SET,
        ):
            return BatchResult.of(request, outcome, outcome.ok)
        elif kind is OperationKind.GET_ENTRY_TYPE and isinstance(content, int):
            return BatchResult.of(request, outcome, EntryType(content))
        elif isinstance(content, int) and _is_moment(kind, request):
            return _read(request, outcome, lambda: from_nanoseconds(content, operation.alias))
        if not isinstance(content, bytes | memoryview):
            return BatchResult.of(request, outcome, content)
        if kind in _GIVES_TEXT:
            # Other clients may store text that is not UTF-8, and replaced text must not be lost.
            text = str(content, "utf-8", "surrogateescape")
            return BatchResult.of(request, outcome, text)
        return _read(request, outcome, lambda: decode_value(self.codec, content, operation.alias))


def _is_moment(kind: OperationKind, request: BatchRequest) -> bool:
    """Return whether the result is a datetime: adding an int returns an int."""
    adds = kind is OperationKind.TIMESTAMP_ADD and not isinstance(request.content, int)
    return adds or kind is OperationKind.TIMESTAMP_GET


def _read(request: BatchRequest, outcome: Outcome, read: Callable[[], Any]) -> BatchResult[Any]:
    try:
        return BatchResult.of(request, outcome, read())
    except CodecError as failure:
        # Not raised, since the results of the other requests would be lost.
        return BatchResult.of(request, Outcome(ErrorCode.INVALID_REPLY), None, failure)


def size_of(operations: Iterable[BatchOperation], outcomes: Iterable[Outcome]) -> int:
    """Return the largest number of bytes that may have to be decoded."""
    return sum(
        len(content)
        for contents in (
            (operation.comparand for operation in operations),
            (outcome.content for outcome in outcomes),
        )
        for content in contents
        if isinstance(content, bytes | memoryview)
    )


def _expiry(expiry: Expiry, now: float) -> int:
    try:
        return to_milliseconds(expiry, now)
    except QuasardbException:
        return _LONG_AGO


def explain_transaction(operations: Sequence[BatchOperation], index: int) -> tuple[str | None, str]:
    """Return the alias of the request that failed, and the detail for the error."""
    if not 0 <= index < len(operations):
        return None, "Nothing was changed."
    operation = operations[index]
    what = operation.kind.name.lower()
    return operation.alias, f"Request {index} ({what}) failed. Nothing was changed."


@dataclass(frozen=True, slots=True)
class ManyResult(Generic[T]):
    """The result of an operation on many entries: `done` succeeded, `failures` did not.

    `failed` has the aliases and errors of those that failed, in their order; only the first
    1 000, so that memory is bounded for an iterator of any length.
    """

    done: int
    failures: int
    failed: tuple[tuple[T, Exception], ...]

    @property
    def ok(self) -> bool:
        """Whether none failed."""
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raise an `ExceptionGroup` of the errors, if there are any."""
        if self.failures:
            raise ExceptionGroup(
                f"{self.failures} of {self.done + self.failures} entries failed",
                [error for _, error in self.failed],
            )

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {"done": self.done, "failed": self.failures}
        rows |= {f"{alias!r}": error for alias, error in self.failed[:_MOST_SHOWN]}
        return table(rows)

    def __repr__(self) -> str:
        aliases = ", ".join(repr(alias)[:100] for alias, _ in self.failed[:3])
        if self.failures > 3:
            aliases += ", ..."
        failed = f", {self.failures} failed: {aliases}" if self.failures else ""
        return f"<ManyResult: {self.done} done{failed}>"


_MOST_FAILURES = 1000
_MOST_SHOWN = 20


class Tally(Generic[T]):
    """Counts the successes and failures of an operation on many entries."""

    def __init__(self) -> None:
        self._done = 0
        self._failures = 0
        self._failed: list[tuple[T, Exception]] = []

    def succeed(self) -> None:
        """Count a success."""
        self._done += 1

    def fail(self, alias: T, error: Exception) -> None:
        """Count a failure, and keep its error if it is one of the first 1 000."""
        self._failures += 1
        if len(self._failed) < _MOST_FAILURES:
            self._failed.append((alias, error))

    def result(self) -> ManyResult[T]:
        """Return the counts."""
        return ManyResult(self._done, self._failures, tuple(self._failed))


def in_chunks(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Yield items in lists of at most `most`, as they come."""
    rest = iter(items)
    while chunk := list(itertools.islice(rest, most)):
        yield chunk
