"""What run_batch and run_transaction make of requests and outcomes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from storekit.codecs.base import Codec, decode_value, encode_value
from storekit.errors import CodecError
from storekit.qdb.arguments import check_double, check_integer, check_string
from storekit.qdb.codec import STORED, check_comparable
from storekit.qdb.engine import NEVER, EntryType, Kind, Operation, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException
from storekit.qdb.values import BatchRequest, BatchResult, Expiry, copies, to_milliseconds

__all__ = ["Translation", "explain_transaction", "size_of"]

_BLOBS = frozenset({Kind.BLOB_PUT, Kind.BLOB_UPDATE, Kind.BLOB_CAS, Kind.BLOB_GET_AND_UPDATE})
_STRINGS = frozenset(
    {Kind.STRING_PUT, Kind.STRING_UPDATE, Kind.STRING_CAS, Kind.STRING_GET_AND_UPDATE}
)
_INTEGERS = frozenset({Kind.INT_PUT, Kind.INT_UPDATE, Kind.INT_ADD})
_DOUBLES = frozenset({Kind.DOUBLE_PUT, Kind.DOUBLE_UPDATE, Kind.DOUBLE_ADD})
_SWAPS = frozenset({Kind.BLOB_CAS, Kind.STRING_CAS})
_WITH_CONTENT = _BLOBS | _STRINGS | _INTEGERS | _DOUBLES
_WITH_COMPARAND = _SWAPS | {Kind.BLOB_REMOVE_IF}
_WITH_EXPIRY = _WITH_CONTENT - {Kind.INT_ADD, Kind.DOUBLE_ADD}
_GIVES_TEXT = frozenset({Kind.STRING_GET, Kind.STRING_CAS, Kind.STRING_GET_AND_UPDATE})
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
        if request.tag is not None and kind is not Kind.HAS_TAG:
            raise ValueError(f"a request of the batch ({kind.name}) has a tag, and takes none")
        if kind is Kind.HAS_TAG and request.tag is None:
            raise ValueError(f"a request of the batch ({kind.name}) has no tag to ask for")
        if kind in (Kind.BLOB_CAS, Kind.BLOB_REMOVE_IF):
            check_comparable(self.codec, kind.name)
        return Operation(
            kind,
            self.alias(request.alias),
            self._dump(kind, request.content) if takes_content else None,
            self._content(kind, request.comparand) if compares else None,
            _expiry(request.expiry, now) if kind in _WITH_EXPIRY else NEVER,
            None if request.tag is None else self.alias(request.tag),
        )

    def _dump(self, kind: Kind, value: object) -> bytes | int | float:
        if kind in _INTEGERS:
            return check_integer(value)
        if kind in _DOUBLES:
            return check_double(value)
        return self._content(kind, value)

    def _content(self, kind: Kind, value: object) -> bytes:
        if kind in _STRINGS:
            return check_string(value).encode()
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
        kind, content = operation.kind, outcome.content
        if kind in _SWAPS and outcome.ok:
            content = bytes(operation.comparand or b"")  # the original content, as documented
        elif kind is Kind.BLOB_GET and outcome.ok and content is None:
            content = b""
        elif kind is Kind.HAS_TAG and outcome.error in (ErrorCode.OK, ErrorCode.TAG_NOT_SET):
            return BatchResult.of(request, outcome, outcome.ok)
        elif kind is Kind.GET_ENTRY_TYPE and isinstance(content, int):
            return BatchResult.of(request, outcome, EntryType(content))
        if not isinstance(content, bytes | memoryview):
            return BatchResult.of(request, outcome, content)
        if kind in _GIVES_TEXT:
            # That of other clients may be no UTF-8, and what was replaced must not be lost.
            text = str(content, "utf-8", "surrogateescape")
            return BatchResult.of(request, outcome, text)
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
