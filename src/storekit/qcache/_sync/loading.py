# Generated from src/storekit/qcache/_async/loading.py by tools/generate_sync.py; do not edit.

"""A query that loads the table if it is missing."""

# ruff: noqa: ANN401 - results and content are of any type

import random
from collections.abc import Callable
from typing import Any

from storekit.core._sync.single_flight import SingleFlight
from storekit.core.backoff import pause_before
from storekit.options import RetryPolicy
from storekit.qcache._sync.sources import is_used_up
from storekit.qcache.errors import NodeTimeout, TooManyConsecutiveErrors
from storekit.qcache.operation import Operation, outside_operations
from storekit.qcache.result import QueryResult

__all__ = ["LoadingQuery"]


class LoadingQuery:
    """One `query` of a client: gets the result, and if the table is missing, loads it and retries.

    `is_there` checks whether the table exists, and `loads` are the running loads of the client,
    which callers that miss the same key share.
    """

    def __init__(
        self,
        key: str,
        *,
        get: Callable[[], Any],
        post: Callable[[object], None],
        load: Callable[[], object],
        is_there: Callable[[], bool],
        loads: SingleFlight[str, None],
        retry: RetryPolicy,
        now: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._key = key
        self._get = get
        self._post = post
        self._load = load
        self._is_there = is_there
        self._loads = loads
        self._retry = retry
        self._now = now
        self._sleep = pause
        self._loaded: list[object] = []  # the content, once it was loaded

    def run(self, operation: Operation) -> Any:
        """Return the result. Raises `TooManyConsecutiveErrors`, and what its parts raise."""
        key, attempts = self._key, self._retry.attempts
        for attempt in range(attempts + 1):
            ended = self._loads.ended
            with operation.as_current():
                result = self._get()
            if result is not None:
                if isinstance(result, QueryResult):
                    result.statistics.update(operation.statistics)
                return result
            if attempt == attempts:
                break
            if attempt:  # the table was posted, and is missing again
                self._pause(operation, pause_before(attempt - 1, self._retry, random.random))
            self._share_load(ended, operation)
        raise TooManyConsecutiveErrors(
            f"query {key!r}: the dataset was missing again after each of "
            f"{attempts} uploads; is it larger than the cache?"
        )

    def _share_load(self, ended: int, operation: Operation) -> None:
        """Load a table, or wait for a load that is under way.

        `ended` is how many loads had ended before this caller found the table missing.
        """
        key, loaded = self._key, self._loaded
        began = self._now()
        leads = False

        def lead() -> None:
            nonlocal leads
            leads = True
            operation.extend(self._now() - began)  # the wait for the load of another caller
            # A load ended after this caller's query: it may have loaded this table.
            if self._loads.ended != ended:
                with operation.as_current():
                    if self._is_there():
                        return
            if not loaded or is_used_up(loaded[0]):
                started = self._now()
                with outside_operations():
                    loaded[:] = [self._load()]
                operation.extend(self._now() - started)
            with operation.as_current():
                self._post(loaded[0])

        self._loads.run(key, lead)
        if not leads:
            operation.extend(self._now() - began)

    def _pause(self, operation: Operation, seconds: float) -> None:
        if operation.until is not None and self._now() + seconds >= operation.until:
            raise NodeTimeout(
                f"query {self._key!r}: the dataset was missing again after an upload, and "
                "total_timeout is over"
            )
        self._sleep(seconds)
