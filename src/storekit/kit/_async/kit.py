"""A client of each store, and tables that are stored in QuasarDB and queried in QCache."""

# ruff: noqa: ANN401 - options are of any type until a client checks them

import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from storekit.codecs.tables.base import TableCodec
from storekit.codecs.tables.registry import TableRegistry
from storekit.core.clocks import steady
from storekit.core.seam._async import call_blocking
from storekit.kit._async.tables import AsyncTables
from storekit.kit.settings import Settings, session_options
from storekit.kit.tables import check_table
from storekit.kit.urls import parse_qcache, parse_qdb
from storekit.observers import Observer, check_observers
from storekit.qcache._async.client import AsyncQClient
from storekit.qcache.result import QueryResult
from storekit.qcache.wire import check_key
from storekit.qdb._async.client import AsyncClient

__all__ = ["AsyncStoreKit"]

F = TypeVar("F")


class AsyncStoreKit:
    """A client of each store, with common settings, and tables in both.

    ```python
    from storekit import AsyncStoreKit

    async with AsyncStoreKit() as kit:
        await kit.qdb.put("greeting", "hello")
        await kit.put_table("cities", [{"name": "Uppsala", "people": 177074}])
        result = await kit.query("cities", {"select": ["name"]})
    ```

    **Tables** are stored in QuasarDB and queried in QCache, to which the kit posts a version of a
    table on the first query of it. Once `put_table` or `remove_table` has returned, every query
    that starts, in any process, sees that change or a later one.
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
            observers: Observers of the calls of both clients.
            changes: Single settings to change, by the names in `Settings`.

        Raises:
            TypeError, ValueError: A setting is wrong.
            ModuleNotFoundError: An extra is missing; the message says which.

        """
        if not isinstance(settings, Settings | None):
            raise TypeError(f"settings must be Settings, not {type(settings).__name__}")
        self.settings: Settings = (settings or Settings()).with_changes(**changes)
        watchers = check_observers(observers)
        self._codecs = self.settings.qcache_options.get("tables") or TableRegistry.default()
        self._tables = AsyncTables(
            lambda: self.qdb,
            lambda: self.qcache,
            has_qcache=self.settings.qcache is not None,
            timeout=self.settings.timeout,
            observers=watchers,
            clock=steady(self.settings.qdb_options.get("clock", time.time)),
        )
        self._qcache = _qcache_client(self.settings, watchers)
        self._qdb = _qdb_client(self.settings, watchers)  # last, since the sync client connects

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], table: str = "storekit") -> Self:
        """Make a kit with the settings in a table of a TOML file.

        Raises as `Settings.from_toml`.
        """
        return cls(Settings.from_toml(path, table))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Make a kit with the settings in environment variables, `STOREKIT_QDB` and so on.

        Raises as `Settings.from_environment`.
        """
        return cls(Settings.from_environment(environment))

    async def __aenter__(self) -> Self:
        try:
            for client in (self._qdb, self._qcache):
                if client is not None:
                    await client.__aenter__()  # opens `min_size` connections
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        stores = ", ".join(repr(each) for each in (self._qdb, self._qcache) if each is not None)
        return f"<{type(self).__name__} of {stores}>"

    async def aclose(self) -> None:
        """Close both clients. Closing twice does nothing."""
        try:
            if self._qdb is not None:
                await self._qdb.aclose()
        finally:
            if self._qcache is not None:
                await self._qcache.aclose()

    @property
    def qdb(self) -> "AsyncClient":
        """The client of QuasarDB. Raises `ValueError` if the settings have none."""
        if self._qdb is None:
            raise ValueError("this kit has no QuasarDB: its setting qdb is None")
        return self._qdb

    @property
    def qcache(self) -> AsyncQClient:
        """The client of QCache. Raises `ValueError` if the settings have none."""
        if self._qcache is None:
            raise ValueError("this kit has no QCache: its setting qcache is None")
        return self._qcache

    # Tables

    @overload
    async def query(
        self,
        name: str,
        q: Mapping[str, object],
        *,
        max_age: float = 0.0,
        codec: None = None,
        **options: Any,
    ) -> QueryResult: ...
    @overload
    async def query(
        self,
        name: str,
        q: Mapping[str, object],
        *,
        max_age: float = 0.0,
        codec: TableCodec[F],
        **options: Any,
    ) -> F: ...
    @overload
    async def query(
        self,
        name: str,
        q: Mapping[str, object],
        *,
        max_age: float = 0.0,
        codec: str,
        **options: Any,
    ) -> Any: ...
    async def query(
        self,
        name: str,
        q: Mapping[str, object],
        *,
        max_age: float = 0.0,
        codec: TableCodec[Any] | str | None = None,
        **options: Any,
    ) -> Any:
        """Query a table. Its newest version is posted to QCache first, if QCache does not have it.

        Which version is the newest is read from QuasarDB each time: one get of a small entry.
        Concurrent callers of this kit that miss the same version share one load. After a
        cancellation, a load that other callers wait for is made anew by one of them.

        Args:
            name: Name of the table: `[A-Za-z0-9_-]+`.
            q: The query, as QCache's documentation describes it, or a `Query`.
            max_age: Seconds for which the version that this kit has read last may be used without
                reading it again. 0, the default, always reads it.
            codec: The codec of tables for the result, e.g. `"polars"`; None for a `QueryResult`.
            options: More arguments of `get` of the client of QCache.

        Raises:
            AliasNotFound: There is no such table.
            TooManyConsecutiveErrors: The table was missing in QCache again after each load.
            StoreKitError: What the clients raise.

        """
        check_key(name)
        if "load_fn" in options:
            raise TypeError("query takes no load_fn: tables are stored by put_table")
        return await self._tables.query(name, q, max_age=max_age, codec=codec, options=options)

    def pages(
        self, name: str, q: Mapping[str, object], page_size: int = 1000, **options: Any
    ) -> AsyncIterator[Any]:
        """Iterate over a long result page by page, all of one version of the table.

        Args:
            name: Name of the table.
            q: The query, as QCache's documentation describes it.
            page_size: Maximum number of rows of a page.
            options: More arguments of `pages` of the client of QCache.

        Raises:
            AliasNotFound: There is no such table.
            DatasetMissing: QCache dropped this version between two pages; start again.
            StoreKitError: What the clients raise.

        """
        return self._tables.pages(check_key(name), q, page_size, options)

    async def put_table(
        self, name: str, table: object, *, codec: str | TableCodec[Any] | None = None
    ) -> None:
        """Store a table, or replace it. Every query that starts after this sees it, in any process.

        If this fails or is cancelled, queries see either the table as it was before or the new one.

        Args:
            name: Name of the table: `[A-Za-z0-9_-]+`.
            table: A frame of polars, pandas or pyarrow, rows, or CSV as text or bytes.
            codec: The codec of tables, or its name; by default chosen by the type of the table.

        Raises:
            TypeError, ValueError, AliasTooLong: QCache can't store such a table, as far as that
                can be checked without parsing CSV; nothing was stored.
            StoreKitError: What the client of QuasarDB raises; after a `StoreTimeout`, the table may
                be stored.

        """
        check_key(name)
        chosen = self._codecs.of(table) if codec is None else self._codecs.get(codec)
        await self._tables.put(name, check_table(await call_blocking(chosen.encode, table)))

    async def remove_table(self, name: str) -> None:
        """Remove a table. No query that starts after this sees it. Raises `AliasNotFound`."""
        await self._tables.remove(check_key(name))


def _qdb_client(settings: Settings, observers: tuple[Observer, ...]) -> "AsyncClient | None":
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
    return AsyncClient(parse_qdb(settings.qdb).place, **options)


def _qcache_client(settings: Settings, observers: tuple[Observer, ...]) -> AsyncQClient | None:
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
        return AsyncQClient(nodes, **options)
    except ModuleNotFoundError as error:
        if settings.qcache != Settings().qcache:
            raise
        # The caller did not ask for QCache: it is the default of a kit.
        raise ModuleNotFoundError(
            f"{error}; for a kit without QCache, set qcache=None", name=error.name
        ) from error
