"""Tables that are stored in QuasarDB and queried in QCache.

A table is stored as:

    table/NAME            the newest version: a small entry in QuasarDB
    table/NAME/VERSION    the content of that version in QuasarDB, which never changes
    NAME-VERSION          the key of that version in QCache

`put` stores the content first and then, in one write, the version, so a reader always finds a
complete version. The content of a key in QCache never changes, so no cache has to be invalidated:
old versions are no longer asked for.
"""

# ruff: noqa: ANN401 - options of queries are those of the qcache client

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Any

from storekit.codecs.raw import Raw
from storekit.codecs.tables.base import TableCodec, TableContent
from storekit.core._async.single_flight import AsyncSingleFlight
from storekit.core.seam._async import monotonic
from storekit.errors import StoreKitError
from storekit.kit.tables import (
    KEPT_FOR,
    alias_of,
    check_age,
    content_alias,
    key_of,
    new_version,
    pack_table,
    pack_version,
    unpack_table,
    unpack_version,
)
from storekit.observers import Observer, Watch
from storekit.qcache._async.client import AsyncQClient
from storekit.qcache.errors import TooManyConsecutiveErrors
from storekit.qcache.operation import Operation
from storekit.qdb._async.client import AsyncClient
from storekit.qdb.arguments import check_alias
from storekit.qdb.errors import AliasAlreadyExists, AliasNotFound, ErrorCode

__all__ = ["AsyncTables"]

_RAW = Raw()
_log = logging.getLogger("storekit")

_TRIES = 5
"""How often a query loads its version: it may be replaced, or dropped by QCache, meanwhile."""

_SHORTEST = 0.001
"""Minimum timeout of a call in seconds, so that at a deadline the client raises its own error."""

_MOST_KNOWN = 10_000
"""Maximum number of tables whose version is remembered for `max_age`; then all are forgotten."""


class AsyncTables:
    """The tables of one kit. Concurrent callers that miss the same version share one load."""

    def __init__(
        self,
        qdb: Callable[[], AsyncClient],
        qcache: Callable[[], AsyncQClient],
        *,
        has_qcache: bool,
        timeout: float | None = None,
        observers: tuple[Observer, ...] = (),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._qdb = qdb
        self._qcache = qcache
        self._has_qcache = has_qcache  # a kit without QCache can still put tables
        self._timeout = timeout
        self._observers = observers
        self._clock = clock
        self._loads = AsyncSingleFlight[str, bool]()
        self._known: dict[str, tuple[str, float]] = {}  # versions, and when they were read

    async def query(
        self,
        name: str,
        q: Mapping[str, object],
        *,
        max_age: float,
        codec: TableCodec[Any] | str | None,
        options: Mapping[str, Any],
    ) -> Any:
        """Return the result for the newest version, or for one read within `max_age` seconds."""
        check_age(max_age)
        until = None if self._timeout is None else monotonic() + self._timeout
        operation = Operation(self._qcache(), until)
        with Watch(self._observers, "qcache", "query", None, name) as watch:
            operation.watch = watch
            with operation.as_current():  # one deadline for all requests
                return await self._query(name, q, max_age, codec, options, until)

    async def _query(
        self,
        name: str,
        q: Mapping[str, object],
        max_age: float,
        codec: TableCodec[Any] | str | None,
        options: Mapping[str, Any],
        until: float | None,
    ) -> Any:
        qcache, alias = self._qcache(), alias_of(name)
        version = self._remembered(name, max_age) or await self._version(name, alias)
        for number in range(_TRIES):
            result = await qcache.get(key_of(name, version), q, codec=codec, **options)
            if result is not None:
                return result
            if until is not None and monotonic() >= until:
                raise TooManyConsecutiveErrors(
                    f"query {name!r}: no answer within the timeout of {self._timeout} s"
                )
            # The version was the newest one when the query began, which is all that is guaranteed.
            # Reading the newest one each time might never end if the table is often replaced.
            if not await self._load(name, version, until) or number:
                version = await self._version(name, alias, until)
        result = await qcache.get(key_of(name, version), q, codec=codec, **options)
        if result is not None:
            return result
        raise TooManyConsecutiveErrors(
            f"query {name!r}: the table was missing again after each of {_TRIES} loads; it is "
            "replaced all the time, or larger than the cache"
        )

    async def pages(
        self, name: str, q: Mapping[str, object], page_size: int, options: Mapping[str, Any]
    ) -> AsyncIterator[Any]:
        """Yield the pages of one version of the table."""
        version = await self._version(name, alias_of(name))
        key = key_of(name, version)
        if await self._qcache().get(key, {"limit": 0}, codec=None) is None:
            await self._load(name, version)
        async with aclosing(self._qcache().pages(key, q, page_size, **options)) as pages:
            async for page in pages:
                yield page

    async def put(self, name: str, table: TableContent) -> None:
        """Store a table as a new version."""
        qdb, alias, version = self._qdb(), alias_of(name), new_version()
        check_alias(content_alias(name, version))
        await qdb.update(content_alias(name, version), pack_table(table), codec=_RAW)
        # If this fails, the new version may be stored nevertheless, so its content is kept.
        stored = await self._exchange(qdb, alias, pack_version(version))
        self._known.pop(name, None)
        before = None if stored is None else unpack_version(stored, alias)
        if before not in (None, version):  # the same version if the write was repeated
            await self._retire(name, before)

    async def remove(self, name: str) -> None:
        """Remove a table."""
        qdb, alias = self._qdb(), alias_of(name)
        try:
            before = await qdb.get_remove(alias, codec=_RAW)
        except AliasNotFound as error:
            raise _no_table("remove_table", name, alias) from error
        self._known.pop(name, None)
        await self._retire(name, unpack_version(before, alias))

    # Versions

    async def _version(self, name: str, alias: str, until: float | None = None) -> str:
        """Read the newest version from the store."""
        asked = self._clock()
        try:
            stored = await self._qdb_until(until).get(alias, codec=_RAW)
        except AliasNotFound as error:
            self._known.pop(name, None)
            raise _no_table("query", name, alias) from error
        version = unpack_version(stored, alias)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[name] = version, asked
        return version

    def _remembered(self, name: str, max_age: float) -> str | None:
        if not max_age or name not in self._known:
            return None
        version, asked = self._known[name]
        return version if self._clock() - asked <= max_age else None

    async def _exchange(self, qdb: AsyncClient, alias: str, version: bytes) -> bytes | None:
        """Store a version as the newest one; return the previous one."""
        while True:
            try:
                before: bytes = await qdb.get_update(alias, version, codec=_RAW)
            except AliasNotFound:
                try:
                    await qdb.put(alias, version, codec=_RAW)
                except AliasAlreadyExists:  # another caller stored the table meanwhile
                    continue
                return None
            return before

    async def _retire(self, name: str, version: str) -> None:
        """Remove a version that is no longer the newest. This only saves space, so it may fail.

        Its content is kept for a minute, for callers that have read the version and not yet loaded
        it. It is deleted in the QCache of this kit now; other nodes drop it when they need space.
        """
        keep: Callable[[], Awaitable[None]] = partial(
            self._qdb().expires_from_now, content_alias(name, version), timedelta(seconds=KEPT_FOR)
        )
        removals = [keep]
        if self._has_qcache:
            removals.append(partial(self._qcache().delete, key_of(name, version)))
        for remove in removals:
            try:
                await remove()
            except StoreKitError as error:
                _log.info("an old version of the table %r was not removed: %s", name, error)

    # Loads

    def _qdb_until(self, until: float | None) -> AsyncClient:
        """Return the client, with a timeout at a time of the monotonic clock."""
        if until is None:
            return self._qdb()
        return self._qdb().with_timeout(max(until - monotonic(), _SHORTEST))

    async def _load(self, name: str, version: str, until: float | None = None) -> bool:
        """Post a version to QCache; return whether its content was still in the store."""
        key = key_of(name, version)
        return await self._loads.run(key, partial(self._post, name, version, key, until))

    async def _post(self, name: str, version: str, key: str, until: float | None) -> bool:
        alias = content_alias(name, version)
        try:
            stored = await self._qdb_until(until).get(alias, codec=_RAW)
        except AliasNotFound:
            return False  # there is a newer version, which the caller will query
        table = unpack_table(stored, alias)
        await self._qcache().post(key, table.content, table.content_type, types=table.types or None)
        return True


def _no_table(operation: str, name: str, alias: str) -> AliasNotFound:
    detail = f"There is no table {name!r} in this store; put_table({name!r}, ...) stores one."
    return AliasNotFound(ErrorCode.ALIAS_NOT_FOUND, detail, operation=operation, alias=alias)
