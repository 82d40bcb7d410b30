"""The snapshot of a node: read when it starts, kept valid meanwhile, written when it stops."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import polars as pl

from storekit.qcache.node.cache import Dataset
from storekit.qcache.node.node import Node
from storekit.qcache.node.snapshots.directory import SnapshotDirectory
from storekit.qcache.node.snapshots.manifest import (
    MOST_BYTES,
    BadSnapshot,
    SavedTable,
    decode_manifest,
    encode_manifest,
)
from storekit.qcache.node.snapshots.table_file import enums_of, read_table, write_table

__all__ = ["Snapshot"]

_THREADS = 4
"""Tables that are written in parallel: most of the time is spent waiting for the disk."""

_log = logging.getLogger("storekit.snapshot")


class Snapshot:
    """Tables of a node in a directory. `clock`: that of the node; `wall`: seconds since 1970."""

    def __init__(
        self,
        node: Node,
        place: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Lock the directory for this node; from now on, files of changed tables are removed.

        Raises `ValueError` if the directory can't be used, belongs to another user, or is locked.
        """
        self._node = node
        self._clock = clock
        self._wall = wall
        self._directory = SnapshotDirectory(place)
        self._saved = self._list()  # valid tables on disk, the most recently used first
        self._unread = dict.fromkeys(self._saved)
        self._ended = threading.Event()
        node.tables.on_change = self._forget

    def _list(self) -> dict[str, SavedTable]:
        directory = self._directory
        is_true = directory.begin()
        try:
            content = directory.manifest(MOST_BYTES)
            tables = [] if content is None else decode_manifest(content)
        except (OSError, ValueError, BadSnapshot) as error:
            _log.error("the snapshot in %s is refused: %s", directory.path, error)
            return {}
        if not is_true:
            _log.warning(
                "the machine went down while a node ran: tables may have changed since the "
                "snapshot in %s was written, so it is dropped",
                directory.path,
            )
            directory.forget()
            tables = []
        directory.clean({table.file for table in tables})
        present = directory.tables()  # files of tables that changed since were removed
        return {table.key: table for table in tables if table.file in present}

    # Called by the node, which holds its lock

    def _forget(self, key: str) -> None:
        """Remove the file of a table that is about to be replaced or removed."""
        self._unread.pop(key, None)
        table = self._saved.pop(key, None)
        if table is None:
            return
        try:
            self._directory.remove(table.file)
        except OSError as error:
            _log.error("the former table %s may come back after a crash: %s", key, error)

    # On start

    def read(self) -> None:
        """Restore tables into the node, the most recently used first, until it is full.

        Tables that clients store or remove meanwhile are not touched. A file that can't be read is
        logged and skipped.
        """
        started, restored = self._clock(), 0
        for key in list(self._unread):
            if self._ended.is_set():
                break
            table = self._saved.get(key)
            if table is not None and self._restore(table):
                restored += 1
            self._unread.pop(key, None)
        if restored:
            _log.info("%d tables were read in %.3f s", restored, self._clock() - started)

    def _restore(self, table: SavedTable) -> bool:
        stored_at = self._clock() - max(0.0, self._wall() - table.stored_at)
        try:
            return self._node.tables.restore(
                table.key,
                partial(self._load, table),
                stored_at,
                lambda: self._saved.get(table.key) is table,
            )
        except (OSError, BadSnapshot) as error:
            if self._saved.get(table.key) is not table:  # it was replaced or removed meanwhile
                return False
            self._node.tables.tally("snapshot_refused")
            _log.error("the table %s of the snapshot is refused: %s", table.key, error)
            return False

    def _load(self, table: SavedTable) -> pl.DataFrame:
        with self._directory.open(table.file) as file:
            return read_table(file, table, self._node.tables.most_charge)

    # On stop

    def stop_reading(self) -> None:
        """End `read` after the current table."""
        self._ended.set()

    def write(self, seconds: float) -> None:
        """Write the tables of the node, and release the directory. Tables must not change any more.

        Tables that have not changed since they were read are not written again. They are written
        in the order of use, the most recently used first; after `seconds`, no more are started.
        """
        started = self._clock()
        datasets = self._node.tables.datasets_by_use()
        datasets.reverse()
        with ThreadPoolExecutor(_THREADS) as threads:
            write = partial(self._write, until=started + seconds)
            written = [table for table in threads.map(write, datasets) if table is not None]
        unread = [table for key in self._unread if (table := self._saved.get(key)) is not None]
        manifest, count = encode_manifest([*written, *unread])
        try:
            self._directory.commit(manifest)
            self._directory.clean({table.file for table in [*written, *unread][:count]})
        except OSError as error:
            _log.error("the snapshot can't be written to %s: %s", self._directory.path, error)
            return
        finally:
            self._node.tables.on_change = _ignore_change  # by work whose client has disconnected
            self._directory.close()
        missing = len(datasets) + len(unread) - count
        if missing:
            _log.warning("%d of %d tables are not in the snapshot", missing, missing + count)
        _log.info("%d tables were written in %.3f s", count, self._clock() - started)

    def _write(self, keyed: tuple[str, Dataset], until: float) -> SavedTable | None:
        key, dataset = keyed
        saved = self._saved.get(key)
        if saved is not None:
            return saved
        if self._clock() >= until:
            return None
        frame = dataset.frame
        try:
            with self._directory.new_table() as (name, file):
                size, digest = write_table(frame, file)
        except (OSError, pl.exceptions.PolarsError) as error:
            _log.error("the table %s can't be written to the snapshot: %s", key, error)
            return None
        return SavedTable(
            key=key,
            file=name,
            bytes=size,
            sha256=digest,
            rows=frame.height,
            columns=frame.width,
            enums=enums_of(frame),
            stored_at=self._wall() - (self._clock() - dataset.stored_at),
        )


def _ignore_change(_: str) -> None:
    """Leave the snapshot as it is."""
