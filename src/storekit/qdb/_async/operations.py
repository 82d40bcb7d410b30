"""All operations of a client, whatever its aliases and values are."""

from storekit.qdb._async.batches import AsyncBatches
from storekit.qdb._async.blobs import AsyncBlobs
from storekit.qdb._async.entries import AsyncEntries
from storekit.qdb._async.integers import AsyncIntegers
from storekit.qdb._async.nodes import AsyncNodes
from storekit.qdb._async.tags import AsyncTags
from storekit.qdb.documents._async.documents import AsyncDocuments
from storekit.qdb.scans import Scan
from storekit.qdb.variables import Alias, Data, Found, Value

__all__ = ["AsyncOperations"]


class AsyncOperations(
    AsyncBlobs[Alias, Found, Data, Value],
    AsyncBatches[Alias, Found, Data, Value],
    AsyncEntries[Alias, Found],
    AsyncIntegers[Alias, Found],
    AsyncTags[Alias, Found],
    AsyncDocuments,
    AsyncNodes,
):
    """What both clients do, and iterators ask of them."""

    async def _open_scan(self) -> Scan:
        try:
            session = await self._workers.call_bare(
                self._engine.connect,
                self._connect_timeout,
                until=self._connect_until(),
                discard=lambda unwanted: unwanted.close(),
            )
        except Exception as error:  # noqa: BLE001 - raised again, explained
            raise self._explain(error, "iterate", None) from error.__cause__
        scan = Scan(session)
        self._scans.add(scan)
        return scan

    async def _fetch(
        self, scan: Scan, number: int, count: int
    ) -> tuple[list[tuple[str, bytes]], bool]:
        until = self._until()
        try:
            return await self._workers.call_bare(scan.fetch, number, count, until=until)
        except Exception as error:  # noqa: BLE001 - raised again, explained
            raise self._explain(error, "iterate", None) from error.__cause__

    def _close_later(self, scan: Scan) -> None:
        self._scans.discard(scan)
        self._workers.run_later(scan.close)
