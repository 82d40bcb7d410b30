# Generated from src/storekit/qdb/_async/many.py by tools/generate_sync.py; do not edit.

"""Operations on many entries in few calls."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from storekit.codecs.base import Codec
from storekit.core.seam._sync import HAS_EVENT_LOOP, call_blocking
from storekit.qdb._sync.calls import Caller
from storekit.qdb._sync.conversion import Conversion
from storekit.qdb._typing import Alias, Items
from storekit.qdb.batches import (
    ManyResult,
    Tally,
    Translation,
    explain_transaction,
    in_chunks,
    size_of,
)
from storekit.qdb.codec import MANY, takes_long_to_decode, takes_long_to_encode
from storekit.qdb.engine import BatchOperation, OperationKind, Outcome, Session
from storekit.qdb.errors import AliasNotFound, ErrorCode, QuasardbException, error_for
from storekit.qdb.methods import bound
from storekit.qdb.times import Expiry, to_milliseconds
from storekit.qdb.values import BatchRequest, BatchResult, listed

__all__ = ["ManyEntries"]

D = TypeVar("D")

_CHUNK = 256  # entries in one call
_CHUNK_BYTES = 4 << 20


class ManyEntries:
    """Operations on many entries; the methods of the client describe them."""

    def __init__(self, calls: Caller, conversion: Conversion, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._conversion = conversion
        self._clock = clock

    def get(self, aliases: Iterable[Alias], codec: Codec[Any] | str | None) -> dict[Alias, Any]:
        """Return the contents of the entries that exist, by alias."""
        chosen = self._conversion.chosen(codec)
        found: dict[Alias, Any] = {}
        for chunk in in_chunks(_one_by_one(aliases, "get_many"), _CHUNK):
            texts = [self._conversion.alias("get_many", alias) for alias in chunk]
            contents = self._calls.get_many("get_many", texts)
            for alias, text, content in zip(chunk, texts, contents, strict=True):
                if isinstance(content, AliasNotFound):
                    continue
                if isinstance(content, Exception):
                    raise content
                found[alias] = self._conversion.decode(chosen, text, content)
        return found

    def store(
        self,
        kind: OperationKind,
        entries: Items[Alias, D] | Iterable[tuple[Alias, D]],
        expiry_time: Expiry,
        codec: Codec[Any] | str | None,
    ) -> ManyResult[Alias]:
        """Store entries, new ones or any; return what failed."""
        name = "put_many" if kind is OperationKind.BLOB_PUT else "update_many"
        chosen = self._conversion.chosen(codec)
        expiry = to_milliseconds(expiry_time, self._clock(), name)
        tally = Tally[Alias]()
        waiting: list[tuple[Alias, BatchOperation]] = []
        size = 0
        for alias, value in _pairs(entries, name):
            try:
                text = self._conversion.alias(name, alias, writes=True)
            except QuasardbException as error:
                tally.fail(alias, error)
                continue
            content = self._conversion.encode(chosen, value)
            waiting.append((alias, BatchOperation(kind, text, content, expiry=expiry)))
            size += len(content)
            if len(waiting) >= _CHUNK or size >= _CHUNK_BYTES:
                self._run(name, tally, waiting)
                waiting, size = [], 0
        self._run(name, tally, waiting)
        return tally.result()

    def remove(self, aliases: Iterable[Alias]) -> ManyResult[Alias]:
        """Remove entries of any type; return what failed."""
        tally = Tally[Alias]()
        for chunk in in_chunks(_one_by_one(aliases, "remove_many"), _CHUNK):
            operations = []
            for alias in chunk:
                try:
                    text = self._conversion.alias("remove_many", alias, writes=True)
                except QuasardbException as error:
                    tally.fail(alias, error)
                else:
                    operations.append((alias, BatchOperation(OperationKind.REMOVE, text)))
            self._run("remove_many", tally, operations)
        return tally.result()

    def _run(
        self, name: str, tally: Tally[Alias], entries: list[tuple[Alias, BatchOperation]]
    ) -> None:
        """Run operations in one call, and count their outcomes."""
        if not entries:
            return
        operations = [operation for _, operation in entries]
        outcomes = self._calls.call(name, None, bound(Session.run_joined, operations))
        for (alias, operation), outcome in zip(entries, outcomes, strict=True):
            if outcome.ok:
                tally.succeed()
            else:
                error = error_for(outcome.error, outcome.detail)
                tally.fail(alias, self._calls.explain(error, name, operation.alias))

    # Requests of any kind

    def run_batch(
        self, requests: Iterable[BatchRequest], codec: Codec[Any] | str | None
    ) -> tuple[int, list[BatchResult[Any]]]:
        """Run requests independently; return how many were successful, and the results."""
        translation = Translation(self._conversion.batch_alias, self._conversion.chosen(codec))
        checked, operations = self._translate(translation, requests)
        if not operations:
            return 0, []
        run = bound(Session.run_batch, operations)
        outcomes = self._calls.call("run_batch", None, run)
        return self._results(translation, checked, operations, outcomes)

    def run_transaction(
        self, requests: Iterable[BatchRequest], codec: Codec[Any] | str | None
    ) -> list[BatchResult[Any]]:
        """Run all requests in order, or none of them; return the results."""
        translation = Translation(self._conversion.batch_alias, self._conversion.chosen(codec))
        checked, operations = self._translate(translation, requests)
        for operation in operations:
            if operation.kind < 0:
                raise ValueError(f"{operation.kind.name} can't be part of a transaction")
        if not operations:
            return []

        def run(session: Session) -> list[Outcome]:
            error, index, outcomes = session.run_transaction(operations)
            if error not in (ErrorCode.OK, ErrorCode.OK_CREATED):
                alias, detail = explain_transaction(operations, index)
                raise error_for(error, detail, alias=alias)
            return outcomes

        outcomes = self._calls.call("run_transaction", None, run)
        return self._results(translation, checked, operations, outcomes)[1]

    def _translate(
        self, translation: Translation, requests: Iterable[BatchRequest]
    ) -> tuple[list[BatchRequest], list[BatchOperation]]:
        """Check requests and encode their content; in a thread, if that takes long."""
        batch = listed(requests)
        if HAS_EVENT_LOOP and (
            len(batch) >= MANY
            or any(
                takes_long_to_encode(translation.codec, getattr(request, "content", None))
                for request in batch
            )
        ):
            return call_blocking(translation.operations_of, batch, self._clock())
        return translation.operations_of(batch, self._clock())

    def _results(
        self,
        translation: Translation,
        requests: list[BatchRequest],
        operations: list[BatchOperation],
        outcomes: list[Outcome],
    ) -> tuple[int, list[BatchResult[Any]]]:
        if HAS_EVENT_LOOP and (
            len(operations) >= MANY
            or takes_long_to_decode(translation.codec, size_of(operations, outcomes))
        ):
            return call_blocking(translation.results_of, requests, operations, outcomes)
        return translation.results_of(requests, operations, outcomes)


def _one_by_one(aliases: Iterable[Alias], operation: str) -> Iterable[Alias]:
    """Return the aliases. Raises `TypeError` for a single alias."""
    if isinstance(aliases, str | bytes):
        raise TypeError(f"{operation} takes an iterable of aliases, not one; write [alias]")
    return aliases


def _pairs(
    entries: Items[Alias, D] | Iterable[tuple[Alias, D]], operation: str
) -> Iterable[tuple[Alias, D]]:
    """Return pairs of alias and content. Raises `TypeError` for text and bytes."""
    if isinstance(entries, Items):
        return entries.items()
    if isinstance(entries, str | bytes):
        raise TypeError(f"{operation} takes a mapping, or pairs of alias and content")
    return entries
