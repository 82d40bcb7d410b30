"""Repeats an operation while that is safe, allowed and worth it.

tenacity and stamina have no deadline shared between attempts and pauses, no budget shared
between calls, and no view of `Retry-After`; hence this small one.
"""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storekit.core.backoff import RetryBudget, pause_before
from storekit.core.runtime._async import monotonic, sleep
from storekit.options import RetryPolicy

__all__ = ["AsyncRetrier", "GaveUp"]

T = TypeVar("T")


class GaveUp(Exception):
    """The operation kept failing. `errors` holds one error for each attempt, in order."""

    def __init__(self, reason: str, errors: list[Exception]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.errors = errors


class AsyncRetrier:
    """The retry policy of one client, with the budget that its calls share."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], Awaitable[None]] = sleep,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._pause = pause
        self._rng = rng
        self._budget = RetryBudget(policy.budget, policy.budget_per_second, clock)

    async def call(
        self,
        operation: Callable[[], Awaitable[T]],
        may_repeat: Callable[[Exception], float | None],
        *,
        until: float | None = None,
    ) -> T:
        """Call `operation` until it succeeds and return its result.

        `may_repeat` judges an error: None means that repeating is not safe or is useless,
        and the error is raised; otherwise the least pause in seconds (0 as a rule, more
        where the server asked for it). No pause ends past `until`.

        Raises `GaveUp` with the errors of all attempts, or the error that may not be
        repeated; the errors of attempts before it are then its cause, if it has none.
        Cancellation ends the attempt or the pause at once.
        """
        errors: list[Exception] = []
        while True:
            try:
                return await operation()
            except Exception as error:
                least = may_repeat(error)
                if least is None:
                    if errors and error.__cause__ is None:
                        error.__cause__ = ExceptionGroup("earlier attempts failed", errors)
                    raise
                errors.append(error)
            pause = max(least, pause_before(len(errors) - 1, self._policy, self._rng))
            if len(errors) >= self._policy.attempts:
                raise GaveUp(f"{len(errors)} attempts failed", errors)
            if until is not None and self._clock() + pause >= until:
                raise GaveUp("the next attempt would start after the deadline", errors)
            if not self._budget.spend():
                raise GaveUp("the retry budget of the client is used up", errors)
            await self._pause(pause)
