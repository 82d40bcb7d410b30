"""Many operations in one call."""

from collections.abc import Iterable
from typing import Any

from storekit.qdb._async.conversion import AsyncConversion
from storekit.qdb.batches import explain_transaction, operations_of, results_of
from storekit.qdb.engine import Session
from storekit.qdb.errors import ErrorCode, error_for
from storekit.qdb.values import BatchRequest, BatchResult

__all__ = ["AsyncBatches"]


class AsyncBatches(AsyncConversion):
    """Batches, each request for itself, and transactions, all or none."""

    async def run_batch(self, requests: Iterable[BatchRequest]) -> tuple[int, list[BatchResult]]:
        """Run all requests, each for itself; return how many were successful, and the results.

        The order in which they run is undefined. If the store finds one malformed, that has
        its error, all others `ErrorCode.SKIPPED`, and nothing was done. `get_remove` and
        `remove_if` have no place in the batches of today's clusters: the engine makes
        separate calls of them.

        Raises `TypeError` and `ValueError`, before anything is sent, for what is no request.
        """
        checked, operations = operations_of(requests, self._codec(), self._clock())
        if not operations:
            return 0, []
        outcomes = await self._call(
            "run_batch", None, lambda session: session.run_batch(operations)
        )
        return results_of(checked, operations, outcomes, self._codec())

    async def run_transaction(self, requests: Iterable[BatchRequest]) -> list[BatchResult]:
        """Run all requests in order, or none of them; return the results.

        Raises the error of the request that failed, with its alias: nothing was changed
        then. `Conflict` means that another writer was first. `get_remove` and `remove_if`
        can't be part of a transaction: `ValueError`.
        """
        checked, operations = operations_of(requests, self._codec(), self._clock())
        for operation in operations:
            if operation.kind < 0:
                raise ValueError(f"{operation.kind.name} can't be part of a transaction")
        if not operations:
            return []

        def run(session: Session) -> list[Any]:
            error, index, outcomes = session.run_transaction(operations)
            if error not in (ErrorCode.OK, ErrorCode.OK_CREATED):
                alias, detail = explain_transaction(operations, index)
                raise error_for(error, detail, alias=alias)
            return outcomes

        outcomes = await self._call("run_transaction", None, run)
        return results_of(checked, operations, outcomes, self._codec())[1]
