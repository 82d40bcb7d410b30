"""Repeats an operation while that is safe, allowed and worth it.

tenacity and stamina have no deadline shared between attempts and pauses, no budget shared
between calls, and no view of `Retry-After`; hence this small one.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from storekit.core.backoff import RetryBudget, pause_before
from storekit.core.seam._async import monotonic, sleep
from storekit.options import RetryPolicy

__all__ = ["AsyncAttempts", "AsyncRetrier", "Repeat"]


@dataclass(frozen=True, slots=True)
class Repeat:
    """How an operation may be repeated.

    `after` is the least pause in seconds, where the server asked for one. `elsewhere`
    says that the repeat goes to another node, which has not failed: then there is no
    pause and no charge to the budget, for the load is only moved.
    """

    after: float = 0.0
    elsewhere: bool = False


class AsyncAttempts:
    """The attempts at one operation, as an iterator whose items are contexts.

        async for attempt in (attempts := retrier.attempts(judge, until=until)):
            with attempt:
                return await operation()
        raise MyError(attempts.reason) from attempts.cause()

    An error in the body is given to `judge`. Where that says None, because repeating is not
    safe or is useless, the error leaves the loop; the errors of attempts before it are then
    its cause, if it has none. Otherwise the loop goes on after a pause, or ends: with a body
    that succeeded, or with `reason`, which says why there is no further attempt.
    """

    __slots__ = (
        "_due",
        "_judge",
        "_on_repeat",
        "_repeat",
        "_retrier",
        "_until",
        "errors",
        "out_of_time",
        "reason",
    )

    def __init__(
        self,
        retrier: "AsyncRetrier",
        judge: Callable[[Exception], Repeat | None],
        until: float | None,
        on_repeat: Callable[[Exception, float], object] | None,
    ) -> None:
        self._retrier = retrier
        self._judge = judge
        self._until = until
        self._on_repeat = on_repeat
        self._repeat: Repeat | None = None
        self._due = True  # another attempt, as far as the last one tells
        self.errors: list[Exception] = []
        self.reason: str = ""
        self.out_of_time: bool = False

    def cause(self) -> Exception | None:
        """Return the error of the only attempt, or a group of those of all."""
        if len(self.errors) <= 1:
            return self.errors[0] if self.errors else None
        return ExceptionGroup("all attempts failed", self.errors)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Self:
        if not self._due:
            raise StopAsyncIteration
        if self._repeat is not None:
            pause = self._retrier.plan(self, self._repeat, self._until)
            if pause is None:
                raise StopAsyncIteration
            if self._on_repeat is not None:
                self._on_repeat(self.errors[-1], pause)
            if not self._repeat.elsewhere:
                await self._retrier.pause(pause)
        self._due = False
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return isinstance(exc_value, Exception) and self.is_repeatable(exc_value)

    def is_repeatable(self, error: Exception) -> bool:
        """Note the error of an attempt; tell whether another one is safe and of use."""
        self._repeat = self._judge(error)
        if self._repeat is None:
            if self.errors and error.__cause__ is None:
                error.__cause__ = ExceptionGroup("earlier attempts failed", self.errors)
            return False
        self.errors.append(error)
        self._due = True
        return True


class AsyncRetrier:
    """The retry policy of one client, with the budget that its calls share."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], Awaitable[None]] = sleep,
        rng: Callable[[], float] = random.random,
        budget_clock: Callable[[], float] | None = None,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self.pause = pause
        self._rng = rng
        self._budget = RetryBudget(policy.budget, policy.budget_per_second, budget_clock or clock)

    def attempts(
        self,
        judge: Callable[[Exception], Repeat | None],
        *,
        until: float | None = None,
        on_repeat: Callable[[Exception, float], object] | None = None,
        failed: Exception | None = None,
    ) -> AsyncAttempts:
        """Return the attempts at one operation; see `AsyncAttempts` for the loop over them.

        `judge` says of an error how to go on; None means that repeating is not safe or is
        useless. No pause ends past `until` (a time of the clock). `on_repeat` is told the
        error and the pause in seconds before each repeat. Cancellation ends the attempt or
        the pause at once.

        `failed` is the error of a first attempt that was made without a loop, as calls of a
        few microseconds are, for the loop takes two. It is raised if it may not be repeated.
        """
        attempts = AsyncAttempts(self, judge, until, on_repeat)
        if failed is not None and not attempts.is_repeatable(failed):
            raise failed
        return attempts

    def plan(self, attempts: AsyncAttempts, repeat: Repeat, until: float | None) -> float | None:
        """Return the pause in seconds before the next attempt; None, with a reason, for none."""
        failed = len(attempts.errors)
        pause = 0.0
        if not repeat.elsewhere:
            pause = max(repeat.after, pause_before(failed - 1, self._policy, self._rng))
        if failed >= self._policy.attempts:
            attempts.reason = f"{failed} attempts failed"
        elif until is not None and self._clock() + pause >= until:
            attempts.reason = "the next attempt would start after the deadline"
            attempts.out_of_time = True
        elif not repeat.elsewhere and not self._budget.spend():
            attempts.reason = "the retry budget of the client is used up"
        else:
            return pause
        return None
