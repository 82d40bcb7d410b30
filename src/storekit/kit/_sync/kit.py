# Generated from src/storekit/kit/_async/kit.py by tools/generate_sync.py; do not edit.

"""Both stores in one hand."""

# ruff: noqa: ANN401 - options are of any type until a client checks them

import os
import uuid
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from storekit.codecs.raw import Raw
from storekit.codecs.tables.base import TableCodec
from storekit.codecs.tables.registry import TableRegistry
from storekit.core._sync.single_flight import SingleFlight
from storekit.core.seam._sync import call_blocking, shielded
from storekit.errors import StoreKitError
from storekit.kit.settings import Settings, session_options
from storekit.kit.tables import (
    StaleCache,
    alias_of,
    check_table,
    pack_table,
    unpack_table,
    version_of,
)
from storekit.kit.urls import parse_qcache, parse_qdb
from storekit.observers import Observer, check_observers
from storekit.qcache._sync.client import QClient
from storekit.qcache.errors import TooManyConsecutiveErrors
from storekit.qcache.result import QueryResult
from storekit.qcache.wire import check_key
from storekit.qdb._sync.client import Client
from storekit.qdb.arguments import check_alias
from storekit.qdb.errors import AliasNotFound

__all__ = ["StoreKit"]

F = TypeVar("F")

_RAW = Raw()
_LOADS = 5  # of one table, for one query, if it is changed or dropped each time


class StoreKit:
    """A client of each store, made with the same settings, and tables that live in both.

    ```python
    from storekit import StoreKit

    with StoreKit() as kit:
        kit.qdb.put("greeting", "hello")
        kit.put_table("cities", [{"name": "Uppsala", "people": 177074}])
        result = kit.query("cities", {"select": ["name"]})
    ```

    **Tables** are stored in QuasarDB and answered for by QCache, which gets one when it is
    first asked for. Once `put_table` has returned, and the queries that were under way have
    ended, every answer comes from the new table. Until then an answer may come from the one
    before. If QCache can't be told of a change, `put_table` raises `StaleCache`. A process
    that dies between posting a table and looking whether it is still the newest may leave an
    old one, until the next `put_table` or `forget_table`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        observers: Iterable[Observer] = (),
        **changes: Any,
    ) -> None:
        """Make a kit; nothing is sent yet.

        Args:
            settings: All settings, by default those of `Settings()`: embedded stores.
            observers: Who is told of the calls of both stores.
            changes: Single settings, by the names of `Settings`.

        Raises:
            TypeError, ValueError: A setting is wrong.
            ModuleNotFoundError: An extra is missing; the message says which.

        """
        if not isinstance(settings, Settings | None):
            raise TypeError(f"settings must be Settings, not {type(settings).__name__}")
        self.settings: Settings = (settings or Settings()).with_changes(**changes)
        watchers = check_observers(observers)
        self._tables = self.settings.qcache_options.get("tables") or TableRegistry.default()
        self._loads = SingleFlight[str, None]()
        self._qcache = _qcache_client(self.settings, watchers)
        self._qdb = _qdb_client(self.settings, watchers)  # last: it may have connected by then

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], table: str = "storekit") -> Self:
        """Make a kit of the settings in a table of a TOML file."""
        return cls(Settings.from_toml(path, table))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Make a kit of the settings in environment variables, `STOREKIT_QDB` and so on."""
        return cls(Settings.from_environment(environment))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close both clients. Closing twice does nothing."""
        try:
            if self._qdb is not None:
                self._qdb.close()
        finally:
            if self._qcache is not None:
                self._qcache.close()

    @property
    def qdb(self) -> "Client":
        """The client of QuasarDB. Raises `ValueError` if the settings have none."""
        if self._qdb is None:
            raise ValueError("this kit has no QuasarDB: its setting qdb is None")
        return self._qdb

    @property
    def qcache(self) -> QClient:
        """The client of QCache. Raises `ValueError` if the settings have none."""
        if self._qcache is None:
            raise ValueError("this kit has no QCache: its setting qcache is None")
        return self._qcache

    # Tables

    @overload
    def query(
        self, name: str, q: Mapping[str, object], *, codec: None = None, **options: Any
    ) -> QueryResult: ...
    @overload
    def query(
        self, name: str, q: Mapping[str, object], *, codec: TableCodec[F], **options: Any
    ) -> F: ...
    @overload
    def query(self, name: str, q: Mapping[str, object], *, codec: str, **options: Any) -> Any: ...
    def query(
        self,
        name: str,
        q: Mapping[str, object],
        *,
        codec: TableCodec[Any] | str | None = None,
        **options: Any,
    ) -> Any:
        """Query a table, which QCache is given first if it does not have it.

        Callers of this kit that miss the same table at the same time share one load.

        Args:
            name: Name of the table, which is also its key in QCache: `[A-Za-z0-9_-]+`.
            q: The query, as QCache's documentation describes it.
            codec: What makes a table of the result, e.g. `"polars"`; None for a `QueryResult`.
            options: More arguments of the qcache client's `get`.

        Raises:
            AliasNotFound: There is no such table.
            TooManyConsecutiveErrors: It was missing again after each load.
            StoreKitError: What the clients raise.

        """
        for _ in range(_LOADS):
            landings = self._loads.landings
            result = self.qcache.get(name, q, codec=codec, **options)
            if result is not None:
                return result
            self._share_load(name, landings)
        result = self.qcache.get(name, q, codec=codec, **options)
        if result is not None:
            return result
        raise TooManyConsecutiveErrors(
            f"query {name!r}: the table was missing again after each of {_LOADS} loads; "
            "is it larger than the cache?"
        )

    def put_table(
        self, name: str, table: object, *, codec: "str | TableCodec[Any] | None" = None
    ) -> None:
        """Store a table, new or not: in QuasarDB first, and QCache then forgets the one before.

        Args:
            name: `[A-Za-z0-9_-]+`.
            table: A frame of polars, pandas or pyarrow, rows, or CSV as text or bytes.
            codec: The codec of tables, or its name, where the type of the table does not tell.

        Raises:
            StaleCache: It is stored, but QCache could not be told.
            TypeError, ValueError, AliasTooLong: It is no table that QCache could keep, as far
                as that can be seen without reading CSV; nothing was stored.
            StoreKitError: What the client of QuasarDB raises; whether it is stored, that says.

        """
        alias = alias_of(check_key(name))
        check_alias(version_of(name))  # the longer one
        chosen = self._tables.of(table) if codec is None else self._tables.get(codec)
        packed = pack_table(check_table(call_blocking(chosen.encode, table)))
        try:
            self.qdb.update(alias, packed, codec=_RAW)
            # Whoever gave QCache an old one until now sees this change, and takes it back;
            # whoever does it from now on has the new one.
            self.qdb.update(version_of(name), uuid.uuid4().bytes, codec=_RAW)
        except BaseException:  # it may be stored all the same
            shielded(self._forget_if_possible, name)
            raise
        self.forget_table(name)

    def remove_table(self, name: str) -> None:
        """Remove a table. Raises `AliasNotFound`, and `StaleCache` as `put_table` does."""
        alias = alias_of(check_key(name))
        try:
            self.qdb.remove(alias)
            self.qdb.update(version_of(name), uuid.uuid4().bytes, codec=_RAW)
        except BaseException:
            shielded(self._forget_if_possible, name)
            raise
        self.forget_table(name)

    def forget_table(self, name: str) -> None:
        """Have QCache forget a table; the next query loads it anew. Raises `StaleCache`."""
        try:
            self.qcache.delete(name)
        except StoreKitError as error:
            raise StaleCache(
                f"QCache could not be told to forget the table {name!r}, and may answer from "
                "an old one; forget_table tells it again"
            ) from error
        except BaseException:
            shielded(self._forget_if_possible, name)
            raise

    def _forget_if_possible(self, name: str) -> None:
        try:
            self.qcache.delete(name)
        except StoreKitError:
            return  # an error that says more is on its way to the caller

    def _share_load(self, name: str, landings: int) -> None:
        """Load a table, or wait for a load that is under way.

        `landings` is how many loads had ended before this caller found the table missing.
        """
        led: list[str] = []

        def load() -> None:
            led.append(name)
            # A load ended while this caller looked: perhaps it was the one needed here.
            if self._loads.landings != landings and self._is_cached(name):
                return
            self._load(name)

        try:
            self._loads.run(name, load)
        except AliasNotFound:
            if led:
                raise
            # The load of another caller may have looked before this one put the table.
            self._loads.run(name, load)

    def _is_cached(self, name: str) -> bool:
        return self.qcache.get(name, {"limit": 1}, codec=None) is not None

    def _load(self, name: str) -> None:
        """Give QCache a table, and see to it that it was still the newest one then."""
        alias = alias_of(name)
        for _ in range(_LOADS):
            before = self._version(name)
            table = unpack_table(self.qdb.get(alias, codec=_RAW), alias)
            try:
                self.qcache.post(name, table.content, table.content_type, types=table.types or None)
                unchanged = self._version(name) == before
            except BaseException:  # QCache may have the table, and nobody knows if it is the newest
                shielded(self._forget_if_possible, name)
                raise
            if unchanged:
                return
            self.forget_table(name)
        raise TooManyConsecutiveErrors(
            f"query {name!r}: the table was changed during each of {_LOADS} loads"
        )

    def _version(self, name: str) -> bytes | None:
        try:
            return self.qdb.get(version_of(name), codec=_RAW)
        except AliasNotFound:
            return None


def _qdb_client(settings: Settings, observers: tuple[Observer, ...]) -> "Client | None":
    if settings.qdb is None:
        return None
    options = {
        "timeout": settings.timeout,
        "connect_timeout": settings.connect_timeout,
        "retry": settings.retry,
        "observers": observers,
        **settings.qdb_options,
    }
    if "session" in options:
        options["options"] = session_options(options.pop("session"))
    if settings.codec is not None:
        options["codec"] = settings.codec
    return Client(parse_qdb(settings.qdb).place, **options)


def _qcache_client(settings: Settings, observers: tuple[Observer, ...]) -> QClient | None:
    if settings.qcache is None:
        return None
    options = {
        "connect_timeout": settings.connect_timeout,
        "total_timeout": settings.timeout,
        "retry": settings.retry,
        "observers": observers,
        **settings.qcache_options,
    }
    nodes = parse_qcache(settings.qcache).nodes
    try:
        return QClient(nodes, **options)
    except ModuleNotFoundError as error:
        if settings.qcache != Settings().qcache:
            raise
        # Nobody asked for it: it is what a kit has by default.
        raise ModuleNotFoundError(
            f"{error}; for a kit without QCache, set qcache=None", name=error.name
        ) from error
