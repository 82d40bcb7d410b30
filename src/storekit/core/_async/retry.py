"""Repeats an operation while that is safe, allowed and worth it.

tenacity and stamina have no deadline shared between attempts and pauses, no budget shared
between calls, and no view of `Retry-After`; hence this small one.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from storekit.core.backoff import RetryBudget, pause_before
from storekit.core.seam._async import monotonic, sleep
from storekit.options import RetryPolicy

__all__ = ["AsyncRetrier", "GaveUp", "Repeat"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Repeat:
    """How an operation may be repeated.

    `after` is the least pause in seconds, where the server asked for one. `elsewhere`
    says that the repeat goes to another node, which has not failed: then there is no
    pause and no charge to the budget, for the load is only moved.
    """

    after: float = 0.0
    elsewhere: bool = False


class GaveUp(Exception):
    """The operation kept failing. `errors` holds one error for each attempt, in order."""

    def __init__(self, reason: str, errors: list[Exception], *, out_of_time: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.errors = errors
        self.out_of_time = out_of_time


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
        judge: Callable[[Exception], Repeat | None],
        *,
        until: float | None = None,
        on_repeat: Callable[[Exception, float], object] | None = None,
    ) -> T:
        """Call `operation` until it succeeds and return its result.

        `judge` says of an error how to go on; None means that repeating is not safe or is
        useless, and the error is raised. No pause ends past `until` (a time of the clock).
        `on_repeat` is told the error and the pause in seconds before each repeat.

        Raises `GaveUp` with the errors of all attempts, or the error that may not be
        repeated; the errors of attempts before it are then its cause, if it has none.
        Cancellation ends the attempt or the pause at once.
        """
        errors: list[Exception] = []
        while True:
            try:
                return await operation()
            except Exception as error:
                repeat = judge(error)
                if repeat is None:
                    if errors and error.__cause__ is None:
                        error.__cause__ = ExceptionGroup("earlier attempts failed", errors)
                    raise
                errors.append(error)
            if len(errors) >= self._policy.attempts:
                raise GaveUp(f"{len(errors)} attempts failed", errors)
            pause = self._pause_before(repeat, len(errors) - 1)
            if until is not None and self._clock() + pause >= until:
                reason = "the next attempt would start after the deadline"
                raise GaveUp(reason, errors, out_of_time=True)
            if not repeat.elsewhere and not self._budget.spend():
                raise GaveUp("the retry budget of the client is used up", errors)
            if on_repeat is not None:
                on_repeat(errors[-1], pause)
            if not repeat.elsewhere:
                await self._pause(pause)

    def _pause_before(self, repeat: Repeat, repeats: int) -> float:
        if repeat.elsewhere:
            return 0.0
        return max(repeat.after, pause_before(repeats, self._policy, self._rng))
