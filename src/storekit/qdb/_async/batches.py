"""Many operations in one call."""

from collections.abc import Iterable
from typing import Any, overload

from storekit.codecs.base import Codec
from storekit.core.seam._async import call_blocking
from storekit.qdb._async.conversion import AsyncConversion
from storekit.qdb.batches import Translation, explain_transaction, size_of
from storekit.qdb.contents import LARGE, takes_long
from storekit.qdb.engine import Operation, Outcome, Session
from storekit.qdb.errors import ErrorCode, error_for
from storekit.qdb.values import BatchRequest, BatchResult
from storekit.qdb.variables import Alias, Data, Found, Other, Value

__all__ = ["AsyncBatches"]


class AsyncBatches(AsyncConversion[Alias, Found, Data, Value]):
    """Batches, each request for itself, and transactions, all or none."""

    @overload
    async def run_batch(
        self, requests: Iterable[BatchRequest]
    ) -> tuple[int, list[BatchResult[Value]]]: ...
    @overload
    async def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Other]
    ) -> tuple[int, list[BatchResult[Other]]]: ...
    @overload
    async def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: str
    ) -> tuple[int, list[BatchResult[Any]]]: ...
    async def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Any] | str | None = None
    ) -> tuple[int, list[BatchResult[Any]]]:
        """Run all requests, each for itself; return how many were successful, and the results.

        The order in which they run is undefined. If the store finds one malformed, that has
        its error, all others `ErrorCode.SKIPPED`, and nothing was done. `get_remove` and
        `remove_if` have no place in the batches of today's clusters: the engine makes
        separate calls of them. Content that the codec can't read is the failure of its
        request alone.

        Raises `TypeError` and `ValueError`, before anything is sent, for what is no request,
        or has no form in the codec.
        """
        translation = Translation(self._batch_alias, self._chosen(codec))
        checked, operations = translation.operations_of(requests, self._clock())
        if not operations:
            return 0, []
        outcomes = await self._call(
            "run_batch", None, lambda session: session.run_batch(operations)
        )
        return await self._results(translation, checked, operations, outcomes)

    @overload
    async def run_transaction(
        self, requests: Iterable[BatchRequest]
    ) -> list[BatchResult[Value]]: ...
    @overload
    async def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Other]
    ) -> list[BatchResult[Other]]: ...
    @overload
    async def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: str
    ) -> list[BatchResult[Any]]: ...
    async def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Any] | str | None = None
    ) -> list[BatchResult[Any]]:
        """Run all requests in order, or none of them; return the results.

        Raises the error of the request that failed, with its alias: nothing was changed
        then. `Conflict` means that another writer was first. `get_remove` and `remove_if`
        can't be part of a transaction: `ValueError`. Content that the codec can't read is
        not an error of the transaction: it is done, and the result has the failure.
        """
        translation = Translation(self._batch_alias, self._chosen(codec))
        checked, operations = translation.operations_of(requests, self._clock())
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

        outcomes = await self._call("run_transaction", None, run)
        return (await self._results(translation, checked, operations, outcomes))[1]

    async def _results(
        self,
        translation: Translation,
        requests: list[BatchRequest],
        operations: list[Operation],
        outcomes: list[Outcome],
    ) -> tuple[int, list[BatchResult[Any]]]:
        if size_of(operations, outcomes) >= LARGE and takes_long(translation.codec):
            return await call_blocking(translation.results_of, requests, operations, outcomes)
        return translation.results_of(requests, operations, outcomes)
