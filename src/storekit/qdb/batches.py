"""What run_batch and run_transaction make of requests and outcomes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from storekit.codecs.base import Codec, decode_value, encode_value
from storekit.errors import CodecError
from storekit.qdb.codec import STORED, check_comparable
from storekit.qdb.engine import NEVER, Kind, Operation, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException
from storekit.qdb.values import BatchRequest, BatchResult, Expiry, copies, to_milliseconds

__all__ = ["Translation", "explain_transaction", "size_of"]

_WITH_CONTENT = frozenset(
    {Kind.BLOB_PUT, Kind.BLOB_UPDATE, Kind.BLOB_CAS, Kind.BLOB_GET_AND_UPDATE}
)
_WITH_COMPARAND = frozenset({Kind.BLOB_CAS, Kind.BLOB_REMOVE_IF})
_LONG_AGO = 1
"""A time that every engine refuses, for the request that has it and no other."""


@dataclass(frozen=True, slots=True)
class Translation:
    """How the aliases and values of a batch become those of the store, and back."""

    alias: Callable[[object], str]
    codec: Codec[Any]

    def operations_of(
        self, requests: Iterable[BatchRequest], now: float
    ) -> tuple[list[BatchRequest], list[Operation]]:
        """Return the requests and their operations for an engine, all of them checked.

        Aliases and times are left to the engine, which refuses for each request by itself.
        Raises `TypeError` and `ValueError`.
        """
        checked = copies(requests)
        return checked, [self._operation(request, now) for request in checked]

    def _operation(self, request: BatchRequest, now: float) -> Operation:
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
        if compares:
            check_comparable(self.codec, kind.name)
        return Operation(
            kind,
            self.alias(request.alias),
            self._dump(request.content) if takes_content else None,
            self._dump(request.comparand) if compares else None,
            _expiry(request.expiry, now) if takes_content else NEVER,
        )

    def _dump(self, value: object) -> bytes:
        if value is None and self.codec is STORED:
            return b""
        return encode_value(self.codec, value)

    def results_of(
        self,
        requests: Sequence[BatchRequest],
        operations: Sequence[Operation],
        outcomes: Sequence[Outcome],
    ) -> tuple[int, list[BatchResult[Any]]]:
        """Return how many were successful, and the result of each."""
        results = [
            self._result(request, operation, outcome)
            for request, operation, outcome in zip(requests, operations, outcomes, strict=True)
        ]
        return sum(result.ok for result in results), results

    def _result(
        self, request: BatchRequest, operation: Operation, outcome: Outcome
    ) -> BatchResult[Any]:
        content = outcome.content
        if operation.kind is Kind.BLOB_CAS and outcome.ok:
            content = bytes(operation.comparand or b"")  # the original content, as documented
        elif operation.kind is Kind.BLOB_GET and outcome.ok and content is None:
            content = b""
        if not isinstance(content, bytes | memoryview):
            return BatchResult.of(request, outcome, content)
        try:
            value = decode_value(self.codec, content, operation.alias)
        except CodecError as failure:
            # The others were done and are worth knowing, so this is not raised.
            return BatchResult.of(request, Outcome(ErrorCode.INVALID_REPLY), None, failure)
        return BatchResult.of(request, outcome, value)


def size_of(operations: Iterable[Operation], outcomes: Iterable[Outcome]) -> int:
    """Return how many bytes there are to decode, at most."""
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


def explain_transaction(operations: Sequence[Operation], index: int) -> tuple[str | None, str]:
    """Return the alias that a transaction failed at, and what to say about it."""
    if not 0 <= index < len(operations):
        return None, "Nothing was changed."
    operation = operations[index]
    what = operation.kind.name.lower()
    return operation.alias, f"Request {index} ({what}) failed. Nothing was changed."
