"""What run_batch and run_transaction make of requests and outcomes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from storekit.qdb.engine import NEVER, Kind, Operation, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException
from storekit.qdb.pickling import UnreadableValue
from storekit.qdb.values import BatchRequest, BatchResult, Expiry, copies, to_milliseconds

__all__ = ["Codec", "explain_transaction", "operations_of", "results_of"]

_WITH_CONTENT = frozenset(
    {Kind.BLOB_PUT, Kind.BLOB_UPDATE, Kind.BLOB_CAS, Kind.BLOB_GET_AND_UPDATE}
)
_WITH_COMPARAND = frozenset({Kind.BLOB_CAS, Kind.BLOB_REMOVE_IF})
_LONG_AGO = 1
"""A time that every engine refuses, for the request that has it and no other."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How a client turns its aliases and values into those of the store, and back."""

    alias: Callable[[object], str]
    dump: Callable[[object], bytes]
    load: Callable[[bytes | memoryview], object]


def operations_of(
    requests: Iterable[BatchRequest], codec: Codec, now: float
) -> tuple[list[BatchRequest], list[Operation]]:
    """Return the requests and their operations for an engine, all of them checked.

    Aliases and times are left to the engine, which refuses for each request by itself.
    Raises `TypeError` and `ValueError`.
    """
    checked = copies(requests)
    return checked, [_operation(request, codec, now) for request in checked]


def _operation(request: BatchRequest, codec: Codec, now: float) -> Operation:
    kind = request.kind
    takes_content, compares = kind in _WITH_CONTENT, kind in _WITH_COMPARAND
    if request.alias is None:
        raise ValueError(f"a request of the batch ({kind.name}) has no alias")
    if request.content is not None and not takes_content:
        raise ValueError(f"a request of the batch ({kind.name}) has content, and takes none")
    if request.comparand is not None and not compares:
        raise ValueError(f"a request of the batch ({kind.name}) has a comparand, and takes none")
    return Operation(
        kind,
        codec.alias(request.alias),
        codec.dump(request.content) if takes_content else None,
        codec.dump(request.comparand) if compares else None,
        _expiry(request.expiry, now) if takes_content else NEVER,
    )


def _expiry(expiry: Expiry, now: float) -> int:
    try:
        return to_milliseconds(expiry, now)
    except QuasardbException:
        return _LONG_AGO


def results_of(
    requests: Sequence[BatchRequest],
    operations: Sequence[Operation],
    outcomes: Sequence[Outcome],
    codec: Codec,
) -> tuple[int, list[BatchResult]]:
    """Return how many were successful, and the result of each."""
    results = [
        _result(request, operation, outcome, codec)
        for request, operation, outcome in zip(requests, operations, outcomes, strict=True)
    ]
    return sum(result.ok for result in results), results


def _result(
    request: BatchRequest, operation: Operation, outcome: Outcome, codec: Codec
) -> BatchResult:
    content = outcome.content
    if operation.kind is Kind.BLOB_CAS and outcome.ok:
        content = bytes(operation.comparand or b"")  # the original content, as documented
    elif operation.kind is Kind.BLOB_GET and outcome.ok and content is None:
        content = b""
    if not isinstance(content, bytes | memoryview):
        return BatchResult.of(request, outcome, content)
    try:
        return BatchResult.of(request, outcome, codec.load(content))
    except UnreadableValue as failure:
        # The others were done and are worth knowing, so this is not raised.
        return BatchResult.of(request, Outcome(ErrorCode.INVALID_REPLY), None, failure)


def explain_transaction(operations: Sequence[Operation], index: int) -> tuple[str | None, str]:
    """Return the alias that a transaction failed at, and what to say about it."""
    if not 0 <= index < len(operations):
        return None, "Nothing was changed."
    operation = operations[index]
    what = operation.kind.name.lower()
    return operation.alias, f"Request {index} ({what}) failed. Nothing was changed."
