# Generated from src/storekit/core/_async/retry.py by tools/generate_sync.py; do not edit.

"""Repeats an operation as long as that is safe, useful and within the limits of the policy.

tenacity and stamina have no deadline shared between attempts and pauses, no budget shared
between calls, and no support for `Retry-After`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from storekit.core.backoff import RetryBudget, pause_before
from storekit.core.seam._sync import monotonic, sleep
from storekit.options import RetryPolicy

__all__ = ["Attempts", "Repeat", "Retrier"]


@dataclass(frozen=True, slots=True)
class Repeat:
    """How an operation may be repeated.

    `after` is the least pause in seconds, if the server asked for one. `elsewhere` means that
    the next attempt goes to another node, which has not failed: then there is no pause and the
    budget is not charged, since that node gets no more load than it would have had anyway.
    """

    after: float = 0.0
    elsewhere: bool = False


class Attempts:
    """The attempts at one operation, as an iterator whose items are context managers.

        for attempt in (attempts := retrier.attempts(judge, until=until)):
            with attempt:
                return operation()
        raise MyError(attempts.reason) from attempts.cause()

    An error in the body is passed to `judge`. If that returns None, because repeating is not
    safe or is useless, the error is raised; the errors of earlier attempts become its cause, if
    it has none. Otherwise the loop goes on after a pause. It ends after a body that succeeded,
    or when there is no further attempt: `reason` then says why.
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
        retrier: "Retrier",
        judge: Callable[[Exception], Repeat | None],
        until: float | None,
        on_repeat: Callable[[Exception, float], object] | None,
    ) -> None:
        self._retrier = retrier
        self._judge = judge
        self._until = until
        self._on_repeat = on_repeat
        self._repeat: Repeat | None = None
        self._due = True  # no attempt was made yet, or the last one may be repeated
        self.errors: list[Exception] = []
        self.reason: str = ""
        self.out_of_time: bool = False

    def cause(self) -> Exception | None:
        """Return the error of the only attempt, or a group of the errors of all attempts."""
        if len(self.errors) <= 1:
            return self.errors[0] if self.errors else None
        return ExceptionGroup("all attempts failed", self.errors)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Self:
        if not self._due:
            raise StopIteration
        if self._repeat is not None:
            pause = self._retrier.plan(self, self._repeat, self._until)
            if pause is None:
                raise StopIteration
            if self._on_repeat is not None:
                self._on_repeat(self.errors[-1], pause)
            if not self._repeat.elsewhere:
                self._retrier.pause(pause)
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
        """Record the error of an attempt; return whether another one is safe and useful."""
        self._repeat = self._judge(error)
        if self._repeat is None:
            if self.errors and error.__cause__ is None:
                error.__cause__ = ExceptionGroup("earlier attempts failed", self.errors)
            return False
        self.errors.append(error)
        self._due = True
        return True


class Retrier:
    """The retry policy of one client, with the budget that its calls share."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], None] = sleep,
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
    ) -> Attempts:
        """Return the attempts at one operation; see `Attempts` for the loop over them.

        `judge` returns how to repeat after an error; None means that repeating is not safe or is
        useless. No pause ends past `until` (a time of the clock). `on_repeat` is called before
        each repeat with the error and the pause in seconds. Cancellation ends the attempt or
        the pause at once.

        `failed` is the error of a first attempt that was made outside of the loop, which takes
        2 µs, as much as some calls. It is raised if the call may not be repeated.
        """
        attempts = Attempts(self, judge, until, on_repeat)
        if failed is not None and not attempts.is_repeatable(failed):
            raise failed
        return attempts

    def plan(self, attempts: Attempts, repeat: Repeat, until: float | None) -> float | None:
        """Return the pause in seconds before the next attempt.

        None if there is none: then `attempts.reason` says why.
        """
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
