# Generated from src/storekit/qcache/_async/loading.py by tools/generate_sync.py; do not edit.

"""Queries that load the table if it is not there."""

# ruff: noqa: ANN401 - a codec that is given by name makes tables of any type

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, overload

from storekit.codecs.tables.base import TableCodec, TableContent
from storekit.core._sync.single_flight import SingleFlight
from storekit.core.backoff import pause_before
from storekit.core.seam._sync import call_user_function, sleep
from storekit.observers import Watch
from storekit.qcache._sync.queries import Queries, Question
from storekit.qcache._sync.uploads import Uploads
from storekit.qcache.errors import TooManyConsecutiveErrors
from storekit.qcache.result import QueryResult
from storekit.qcache.tables import OWN, F, Own, R
from storekit.qcache.wire import Headers, Table

__all__ = ["Loader", "Loading"]

Loader = Callable[..., Table]
"""A function that returns the content of a dataset."""


class Loading(Queries[R], Uploads[R]):
    """Queries that need no table to be there."""

    _loads: SingleFlight[str, dict[str, float]]

    @overload
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str | None = None,
        accept: str | None = None,
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
    ) -> R: ...
    @overload
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str | None = None,
        accept: str | None = None,
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: TableCodec[F],
    ) -> F: ...
    @overload
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str | None = None,
        accept: str | None = None,
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: str,
    ) -> Any: ...
    @overload
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str | None = None,
        accept: str | None = None,
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: None,
    ) -> QueryResult: ...
    def query(
        self,
        key: str,
        q: Mapping[str, object],
        load_fn: Loader,
        load_fn_kwargs: Mapping[str, object] | None = None,
        content_type: str | None = None,
        accept: str | None = None,
        post_headers: Headers | None = None,
        post_query: bool = False,
        query_headers: Headers | None = None,
        *,
        types: Mapping[str, str] | None = None,
        stand_in_columns: Mapping[str, object] | None = None,
        codec: TableCodec[Any] | str | Own | None = OWN,
    ) -> Any:
        """Query for data, loading the table if it is not there.

        On a miss, `load_fn(**load_fn_kwargs)` provides the content, which is posted, and
        the query is executed again. Callers of this client that miss the same key at the
        same time share one load, and its error if it fails.

        Args:
            key: Key of the table to query: `[A-Za-z0-9_-]+`.
            q: The query, as described in the QCache documentation.
            load_fn: Function that returns the content as `post` takes it, which may be a
                frame, or what a codec of tables has encoded.
            load_fn_kwargs: Keyword arguments for `load_fn`.
            content_type: Format of the content: `text/csv`, which is the default, or
                `application/json`.
            accept: Format of the result, as for `get`.
            post_headers: More headers for the upload, by name.
            post_query: Send the query in a body rather than in the URL.
            query_headers: More headers for the query, by name.
            types: Types of columns, as for `post`.
            stand_in_columns: Values for columns that the table may lack, for the upload.
            codec: What makes a table of the result, as for `get`.

        Raises:
            TooManyConsecutiveErrors: The table was missing again after each upload.
            Exception: What `load_fn` raises; else the errors of `get` and `post`.

        """
        question = self._question(key, q, accept, post_query, query_headers, None, codec)
        loaded: list[TableContent] = []

        def load(landings: int, watch: Watch | None) -> dict[str, float]:
            # A load ended while this caller looked: perhaps it was the one needed here.
            if self._loads.landings != landings:
                probe = self._question(key, {"limit": 1}, None, False, None, None, None)
                if self._ask(probe, watch) is not None:
                    return {}
            if not loaded:
                content = call_user_function(load_fn, load_fn_kwargs or {})
                loaded.append(self._encode(content, content_type))
            call = self._upload_call(key, loaded[0], post_headers, types, stand_in_columns)
            return self._upload(key, call, watch)

        if self._observers:
            return self._watched("query", key, partial(self._query, question, load))
        return self._query(question, load)

    def _query(
        self,
        question: Question,
        load: Callable[[int, Watch | None], dict[str, float]],
        watch: Watch | None = None,
    ) -> Any:
        result = self._ask_or_load(question, load, watch)
        codec = question[3]
        return result if codec is None else self._decode(result, codec)

    def _ask_or_load(
        self,
        question: Question,
        load: Callable[[int, Watch | None], dict[str, float]],
        watch: Watch | None,
    ) -> QueryResult:
        key = question[0]
        statistics: dict[str, float] = {}
        for attempt in range(self._retry.attempts):
            landings = self._loads.landings
            result = self._ask(question, watch)
            if result is not None:
                result.statistics.update(statistics)
                return result
            if attempt:  # posted, and gone again
                sleep(pause_before(attempt - 1, self._retry, random.random))
            statistics = self._loads.run(key, partial(load, landings, watch))
        result = self._ask(question, watch)
        if result is not None:
            return result
        raise TooManyConsecutiveErrors(
            f"query {key!r}: the dataset was missing again after each of "
            f"{self._retry.attempts} uploads; is it larger than the cache?"
        )
