# Generated from src/storekit/kit/_async/tables.py by tools/generate_sync.py; do not edit.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Any

from storekit.codecs.raw import Raw
from storekit.codecs.tables.base import TableCodec, TableContent
from storekit.core._sync.single_flight import SingleFlight
from storekit.core.seam._sync import monotonic
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
from storekit.qcache._sync.client import QClient
from storekit.qcache.errors import TooManyConsecutiveErrors
from storekit.qcache.operation import Operation
from storekit.qdb._sync.client import Client
from storekit.qdb.arguments import check_alias
from storekit.qdb.errors import AliasAlreadyExists, AliasNotFound, ErrorCode

__all__ = ["Tables"]

_RAW = Raw()
_log = logging.getLogger("storekit")

_TRIES = 5
"""How often a query loads its version: it may be replaced, or dropped by QCache, meanwhile."""

_SHORTEST = 0.001
"""Minimum timeout of a call in seconds, so that at a deadline the client raises its own error."""

_MOST_KNOWN = 10_000
"""Maximum number of tables whose version is remembered for `max_age`; then all are forgotten."""


class Tables:
    """The tables of one kit. Concurrent callers that miss the same version share one load."""

    def __init__(
        self,
        qdb: Callable[[], Client],
        qcache: Callable[[], QClient],
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
        self._loads = SingleFlight[str, bool]()
        self._known: dict[str, tuple[str, float]] = {}  # versions, and when they were read

    def query(
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
                return self._query(name, q, max_age, codec, options, until)

    def _query(
        self,
        name: str,
        q: Mapping[str, object],
        max_age: float,
        codec: TableCodec[Any] | str | None,
        options: Mapping[str, Any],
        until: float | None,
    ) -> Any:
        qcache, alias = self._qcache(), alias_of(name)
        version = self._remembered(name, max_age) or self._version(name, alias)
        for number in range(_TRIES):
            result = qcache.get(key_of(name, version), q, codec=codec, **options)
            if result is not None:
                return result
            if until is not None and monotonic() >= until:
                raise TooManyConsecutiveErrors(
                    f"query {name!r}: no answer within the timeout of {self._timeout} s"
                )
            # The version was the newest one when the query began, which is all that is guaranteed.
            # Reading the newest one each time might never end if the table is often replaced.
            if not self._load(name, version, until) or number:
                version = self._version(name, alias, until)
        result = qcache.get(key_of(name, version), q, codec=codec, **options)
        if result is not None:
            return result
        raise TooManyConsecutiveErrors(
            f"query {name!r}: the table was missing again after each of {_TRIES} loads; it is "
            "replaced all the time, or larger than the cache"
        )

    def pages(
        self, name: str, q: Mapping[str, object], page_size: int, options: Mapping[str, Any]
    ) -> Iterator[Any]:
        """Yield the pages of one version of the table."""
        version = self._version(name, alias_of(name))
        key = key_of(name, version)
        if self._qcache().get(key, {"limit": 0}, codec=None) is None:
            self._load(name, version)
        with closing(self._qcache().pages(key, q, page_size, **options)) as pages:
            for page in pages:
                yield page

    def put(self, name: str, table: TableContent) -> None:
        """Store a table as a new version."""
        qdb, alias, version = self._qdb(), alias_of(name), new_version()
        check_alias(content_alias(name, version))
        qdb.update(content_alias(name, version), pack_table(table), codec=_RAW)
        # If this fails, the new version may be stored nevertheless, so its content is kept.
        stored = self._exchange(qdb, alias, pack_version(version))
        self._known.pop(name, None)
        before = None if stored is None else unpack_version(stored, alias)
        if before not in (None, version):  # the same version if the write was repeated
            self._retire(name, before)

    def remove(self, name: str) -> None:
        """Remove a table."""
        qdb, alias = self._qdb(), alias_of(name)
        try:
            before = qdb.get_remove(alias, codec=_RAW)
        except AliasNotFound as error:
            raise _no_table("remove_table", name, alias) from error
        self._known.pop(name, None)
        self._retire(name, unpack_version(before, alias))

    # Versions

    def _version(self, name: str, alias: str, until: float | None = None) -> str:
        """Read the newest version from the store."""
        asked = self._clock()
        try:
            stored = self._qdb_until(until).get(alias, codec=_RAW)
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

    def _exchange(self, qdb: Client, alias: str, version: bytes) -> bytes | None:
        """Store a version as the newest one; return the previous one."""
        while True:
            try:
                before: bytes = qdb.get_update(alias, version, codec=_RAW)
            except AliasNotFound:
                try:
                    qdb.put(alias, version, codec=_RAW)
                except AliasAlreadyExists:  # another caller stored the table meanwhile
                    continue
                return None
            return before

    def _retire(self, name: str, version: str) -> None:
        """Remove a version that is no longer the newest. This only saves space, so it may fail.

        Its content is kept for a minute, for callers that have read the version and not yet loaded
        it. It is deleted in the QCache of this kit now; other nodes drop it when they need space.
        """
        keep: Callable[[], None] = partial(
            self._qdb().expires_from_now, content_alias(name, version), timedelta(seconds=KEPT_FOR)
        )
        removals = [keep]
        if self._has_qcache:
            removals.append(partial(self._qcache().delete, key_of(name, version)))
        for remove in removals:
            try:
                remove()
            except StoreKitError as error:
                _log.info("an old version of the table %r was not removed: %s", name, error)

    # Loads

    def _qdb_until(self, until: float | None) -> Client:
        """Return the client, with a timeout at a time of the monotonic clock."""
        if until is None:
            return self._qdb()
        return self._qdb().with_timeout(max(until - monotonic(), _SHORTEST))

    def _load(self, name: str, version: str, until: float | None = None) -> bool:
        """Post a version to QCache; return whether its content was still in the store."""
        key = key_of(name, version)
        return self._loads.run(key, partial(self._post, name, version, key, until))

    def _post(self, name: str, version: str, key: str, until: float | None) -> bool:
        alias = content_alias(name, version)
        try:
            stored = self._qdb_until(until).get(alias, codec=_RAW)
        except AliasNotFound:
            return False  # there is a newer version, which the caller will query
        table = unpack_table(stored, alias)
        self._qcache().post(key, table.content, table.content_type, types=table.types or None)
        return True


def _no_table(operation: str, name: str, alias: str) -> AliasNotFound:
    detail = f"There is no table {name!r} in this store; put_table({name!r}, ...) stores one."
    return AliasNotFound(ErrorCode.ALIAS_NOT_FOUND, detail, operation=operation, alias=alias)
