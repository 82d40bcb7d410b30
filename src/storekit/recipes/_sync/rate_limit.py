# Generated from src/storekit/recipes/_async/rate_limit.py by tools/generate_sync.py; do not edit.

"""A rate limit across processes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from storekit.qdb._sync.store import Store
from storekit.qdb.errors import AliasAlreadyExists, AliasNotFound
from storekit.recipes.checks import check_client, check_name, check_seconds

__all__ = ["RateLimit"]


class RateLimit:
    """A limit on how often something is done, in all processes together.

    ```python
    from storekit.qdb import Client
    from storekit.recipes import RateLimit

    with Client("embedded:") as client:
        limit = RateLimit(client, "mails", limit=100, per=60.0)
        if limit.allow():
            ...  # send it
    ```

    **What is guaranteed.** Time is divided into windows of `per` seconds, and in each at most
    `limit` calls of `allow` return True. Each is one atomic operation of the store. Around the
    border of two windows, up to twice as many may be allowed within `per` seconds. If the store
    can't be reached, `allow` raises; whether to go on then is up to the caller. If the clock of a
    machine is off, its windows are shifted by as much.
    """

    def __init__(
        self,
        client: Store[Any, Any, Any, Any],
        name: str,
        *,
        limit: int,
        per: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        check_client(client, type(self), self.allow)
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(f"limit must be a whole number, not {limit!r}")
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        self._client = client
        self._name = check_name(name)
        self._limit = limit
        self._per = check_seconds("per", per)
        self._clock = client.clock if clock is None else clock

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}, {self._limit} per {self._per} s>"

    def allow(self) -> bool:
        """Count one call; return whether it is within the limit. Raises what the client raises.

        A call that was cancelled may or may not be counted.
        """
        window = int(self._clock() // self._per)
        alias = f"rate/{self._name}/{window}"
        while True:
            try:
                return self._client.int_add(alias, 1) <= self._limit
            except AliasNotFound:
                # Kept for one window more, since the clocks of other machines may be behind.
                lifetime = timedelta(seconds=2 * self._per)
                try:
                    self._client.int_put(alias, 0, lifetime)
                except AliasAlreadyExists:
                    continue

    def remaining_time(self) -> float:
        """Return the seconds until the next window begins."""
        return self._per - self._clock() % self._per
