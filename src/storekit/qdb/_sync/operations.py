# Generated from src/storekit/qdb/_async/operations.py by tools/generate_sync.py; do not edit.

"""All operations of a client, whatever its aliases and values are."""

from storekit.qdb._sync.batches import Batches
from storekit.qdb._sync.blobs import Blobs
from storekit.qdb._sync.entries import Entries
from storekit.qdb._sync.integers import Integers
from storekit.qdb._sync.nodes import Nodes
from storekit.qdb._sync.tags import Tags
from storekit.qdb.documents._sync.documents import Documents
from storekit.qdb.scans import Scan
from storekit.qdb.variables import Alias, Data, Found, Value

__all__ = ["Operations"]


class Operations(
    Blobs[Alias, Found, Data, Value],
    Batches[Alias, Found, Data, Value],
    Entries[Alias, Found],
    Integers[Alias, Found],
    Tags[Alias, Found],
    Documents,
    Nodes,
):
    """What both clients do, and iterators ask of them."""

    def _open_scan(self) -> Scan:
        try:
            session = self._workers.call_bare(
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

    def _fetch(self, scan: Scan, number: int, count: int) -> tuple[list[tuple[str, bytes]], bool]:
        until = self._until()
        try:
            return self._workers.call_bare(scan.fetch, number, count, until=until)
        except Exception as error:  # noqa: BLE001 - raised again, explained
            raise self._explain(error, "iterate", None) from error.__cause__

    def _close_later(self, scan: Scan) -> None:
        self._scans.discard(scan)
        self._workers.run_later(scan.close)
