"""Options of clients: timeouts, limits of connection pools, retries."""

import math
from dataclasses import dataclass, fields
from typing import TypeGuard

__all__ = ["PoolLimits", "RetryPolicy", "Timeouts"]


_LONGEST_TIMEOUT = 2_000_000.0
"""Seconds; poll() takes at most 2**31 milliseconds."""


def _refuse_unless(condition: bool, option: str, value: object, wanted: str) -> None:
    if not condition:
        raise ValueError(f"{option} must be {wanted}, not {value!r}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_seconds(option: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    if not _is_number(value):
        raise TypeError(f"{option} must be a number of seconds, not {value!r}")
    _refuse_unless(value > 0, option, value, "more than 0 seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits in seconds; None means that this step has no limit.

    `connect` limits name look-up, TCP and TLS together; `read` and `write` each wait for the
    next piece of data; `pool` the wait for a free connection; `total` the whole operation with all
    attempts and pauses.
    """

    connect: float | None = 1.0
    read: float | None = 2.0
    write: float | None = 2.0
    pool: float | None = 5.0
    total: float | None = 300.0

    def __post_init__(self) -> None:
        for field in fields(self):
            option, value = f"timeout {field.name}", getattr(self, field.name)
            _check_seconds(option, value, optional=True)
            if value is not None:
                wanted = f"at most {_LONGEST_TIMEOUT:.0f} seconds, or None for no limit"
                _refuse_unless(value <= _LONGEST_TIMEOUT, option, value, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How many connections to one node a client has, and for how long. Times are in seconds.

    `min_size` connections are opened when the client is entered (`async with`), and kept open:
    those that break or become too old are replaced soon after the next call. Connections beyond
    `min_size` are closed after `max_idle` without use. Later calls do that, so a client that makes
    no calls keeps its connections. A connection is used for `max_lifetime`, shortened by up to a
    tenth at random, so that connections made together do not end together. `max_waiting` limits
    the callers that wait for a connection; None for no limit.
    """

    min_size: int = 0
    max_size: int = 64
    max_waiting: int | None = None
    max_idle: float = 60.0
    max_lifetime: float = 3600.0

    def __post_init__(self) -> None:
        for field in ("min_size", "max_size", "max_waiting"):
            value = getattr(self, field)
            if value is None and field == "max_waiting":
                continue
            if not _is_whole(value):
                raise TypeError(f"{field} must be a whole number, not {value!r}")
            _refuse_unless(value >= 0, field, value, "0 or more")
        _refuse_unless(self.max_size >= 1, "max_size", self.max_size, "1 or more")
        _refuse_unless(
            self.min_size <= self.max_size, "min_size", self.min_size, "at most max_size"
        )
        _check_seconds("max_idle", self.max_idle, optional=False)
        _check_seconds("max_lifetime", self.max_lifetime, optional=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When and how an operation is repeated.

    There are at most `attempts` attempts. Pause number n, counted from 0, is uniformly random
    between 0 and `initial_backoff * 2**n` seconds, at most `max_backoff` ("full jitter"). Each
    repeat takes a token from the budget of the client, which has at most `budget` tokens and gets
    `budget_per_second` new ones: in an outage, the budget limits the load on the store, and not the
    number of callers.

    Reads are repeated, and writes that certainly did not reach the store. A write whose
    outcome is unknown is repeated only with `retry_writes`.
    """

    attempts: int = 10
    initial_backoff: float = 0.05
    max_backoff: float = 1.0
    budget: float = 20.0
    budget_per_second: float = 1.0
    retry_writes: bool = False

    def __post_init__(self) -> None:
        if not _is_whole(self.attempts):
            raise TypeError(f"attempts must be a whole number, not {self.attempts!r}")
        _refuse_unless(self.attempts >= 1, "attempts", self.attempts, "1 or more")
        for field in ("initial_backoff", "max_backoff", "budget", "budget_per_second"):
            value = getattr(self, field)
            if not _is_number(value):
                raise TypeError(f"{field} must be a number, not {value!r}")
            _refuse_unless(0 <= value < math.inf, field, value, "0 or more and finite")
