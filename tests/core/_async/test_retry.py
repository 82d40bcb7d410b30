import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit.core._async.retry import AsyncAttempts, AsyncRetrier, Repeat
from storekit.core.backoff import RetryBudget, pause_before
from storekit.core.seam._async import checkpoint, run_all
from storekit.options import RetryPolicy
from tests.support.concurrency import Clock

AGAIN = Repeat()
draws = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    initial_backoff=st.just(0.0) | st.floats(0.001, 10),
    max_backoff=st.floats(0, 100),
)


class GaveUp(Exception):
    def __init__(self, attempts: AsyncAttempts) -> None:
        super().__init__(attempts.reason)
        self.errors = attempts.errors
        self.out_of_time = attempts.out_of_time


async def call(retrier: AsyncRetrier, operation, judge, **options) -> str:
    """Return the result of an operation that is tried as often as the retrier allows."""
    attempts = retrier.attempts(judge, **options)
    async for attempt in attempts:
        with attempt:
            return await operation()
    raise GaveUp(attempts)


class Failing:
    """An operation that takes a second and fails a number of times."""

    def __init__(self, clock: Clock, failures: int = 10**9) -> None:
        self.clock = clock
        self.errors: list[Exception] = []
        self.failures = failures
        self.started: list[float] = []

    async def __call__(self) -> str:
        self.started.append(self.clock.now)
        self.clock.now += 1.0
        if len(self.errors) < self.failures:
            self.errors.append(ConnectionError(f"number {len(self.errors)}"))
            raise self.errors[-1]
        return "done"


class Retries:
    """A retrier with a clock of its own, whose pauses pass at once and are noted."""

    def __init__(self, *, rng=lambda: 0.5, **policy) -> None:
        self.clock = Clock()
        self.pauses: list[float] = []
        self.retrier = AsyncRetrier(
            RetryPolicy(**policy), clock=self.clock, pause=self.pause, rng=rng
        )

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.now += seconds


@given(policy=policies, repeat=st.integers(0, 5000), draw=draws)
def test_a_pause_is_drawn_from_all_below_a_ceiling_that_doubles(policy, repeat, draw):
    ceiling = policy.initial_backoff
    for _ in range(min(repeat, 2000)):
        ceiling = min(2 * ceiling, policy.max_backoff)
    ceiling = min(ceiling, policy.max_backoff)
    assert pause_before(repeat, policy, lambda: 0.0) == 0
    assert pause_before(repeat, policy, lambda: draw) == pytest.approx(draw * ceiling)


async def test_success_is_returned_at_once():
    retries = Retries()
    operation = Failing(retries.clock, failures=0)
    assert await call(retries.retrier, operation, lambda _: AGAIN) == "done"
    assert retries.pauses == []


async def test_each_pause_may_be_twice_as_long_as_the_one_before_up_to_a_limit():
    retries = Retries(initial_backoff=0.25, max_backoff=1.5)
    operation = Failing(retries.clock, failures=5)
    assert await call(retries.retrier, operation, lambda _: AGAIN) == "done"
    assert retries.pauses == [0.125, 0.25, 0.5, 0.75, 0.75]


async def test_the_judge_sees_each_error():
    retries = Retries()
    operation, seen = Failing(retries.clock, failures=3), []

    def judge(error: Exception) -> Repeat:
        seen.append(error)
        return AGAIN

    await call(retries.retrier, operation, judge)
    assert seen == operation.errors


@pytest.mark.parametrize("attempts", [1, 2, 10])
async def test_no_more_attempts_than_allowed_are_made_and_each_error_is_kept(attempts):
    retries = Retries(attempts=attempts)
    operation = Failing(retries.clock)
    with pytest.raises(GaveUp, match=f"^{attempts} attempts failed$") as caught:
        await call(retries.retrier, operation, lambda _: AGAIN)
    assert len(operation.started) == attempts
    assert len(retries.pauses) == attempts - 1
    assert caught.value.errors == operation.errors


async def test_an_error_that_may_not_be_repeated_is_raised_at_once():
    retries = Retries()
    operation = Failing(retries.clock)
    with pytest.raises(ConnectionError) as caught:
        await call(retries.retrier, operation, lambda _: None)
    assert caught.value is operation.errors[0]
    assert caught.value.__cause__ is None
    assert retries.pauses == []


async def test_an_error_that_may_not_be_repeated_has_those_before_it_as_its_cause():
    retries = Retries()
    operation = Failing(retries.clock)
    with pytest.raises(ConnectionError) as caught:
        await call(
            retries.retrier, operation, lambda error: None if error.args == ("number 2",) else AGAIN
        )
    assert caught.value is operation.errors[2]
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert list(caught.value.__cause__.exceptions) == operation.errors[:2]


async def test_an_error_keeps_the_cause_that_it_has():
    retries = Retries()
    cause = OSError()
    attempts = []

    async def operation() -> None:
        attempts.append(1)
        raise ConnectionError from cause

    with pytest.raises(ConnectionError) as caught:
        await call(retries.retrier, operation, lambda _: AGAIN if len(attempts) < 3 else None)
    assert caught.value.__cause__ is cause


# The deadline.


@settings(deadline=None)
@given(draw=draws, left=st.floats(0.001, 60), initial=st.floats(0.001, 10))
async def test_no_pause_ends_after_the_deadline(draw, left, initial):
    retries = Retries(
        rng=lambda: draw, attempts=100, initial_backoff=initial, max_backoff=20, budget=100
    )
    operation = Failing(retries.clock)
    until = retries.clock.now + left

    with pytest.raises(GaveUp):
        await call(retries.retrier, operation, lambda _: AGAIN, until=until)
    assert all(started < until for started in operation.started)


async def test_a_pause_that_would_overrun_the_deadline_is_not_begun():
    retries = Retries(initial_backoff=4, max_backoff=4)
    operation = Failing(retries.clock)
    with pytest.raises(GaveUp, match="after the deadline") as caught:
        await call(retries.retrier, operation, lambda _: AGAIN, until=retries.clock.now + 6)
    # An attempt takes 1 second and a pause 2: the third would start just at the deadline.
    assert retries.pauses == [2.0]
    assert caught.value.errors == operation.errors
    assert len(operation.errors) == 2


async def test_the_deadline_holds_for_repeats_elsewhere():
    retries = Retries()
    operation = Failing(retries.clock)
    with pytest.raises(GaveUp, match="after the deadline"):
        await call(
            retries.retrier,
            operation,
            lambda _: Repeat(after=9, elsewhere=True),
            until=retries.clock.now + 2.5,
        )
    assert len(operation.started) == 3


# What the server asks for.


async def test_the_pause_is_at_least_as_long_as_the_server_asked():
    retries = Retries(initial_backoff=1, max_backoff=1)
    operation = Failing(retries.clock, failures=2)
    answers = iter([Repeat(after=7.5), Repeat(after=0.1)])
    await call(retries.retrier, operation, lambda _: next(answers))
    assert retries.pauses == [7.5, 0.5]


async def test_a_server_that_asks_for_more_time_than_is_left_is_not_asked_again():
    retries = Retries()
    operation = Failing(retries.clock)
    with pytest.raises(GaveUp, match="after the deadline"):
        await call(
            retries.retrier, operation, lambda _: Repeat(after=60), until=retries.clock.now + 60
        )
    assert len(operation.started) == 1
    assert retries.pauses == []


# The budget.


async def test_repeats_draw_on_a_budget():
    retries = Retries(budget=2, budget_per_second=0)
    operation = Failing(retries.clock)
    with pytest.raises(GaveUp, match="budget of the client is used up") as caught:
        await call(retries.retrier, operation, lambda _: AGAIN)
    assert len(operation.started) == 3
    assert caught.value.errors == operation.errors


async def test_a_repeat_elsewhere_has_no_pause_and_costs_nothing():
    retries = Retries(budget=0, attempts=5)
    operation = Failing(retries.clock, failures=4)
    result = await call(retries.retrier, operation, lambda _: Repeat(after=9, elsewhere=True))
    assert result == "done"
    assert retries.pauses == []


async def test_a_repeat_elsewhere_counts_as_an_attempt():
    retries = Retries(attempts=5)
    operation = Failing(retries.clock)
    with pytest.raises(GaveUp, match="5 attempts failed"):
        await call(retries.retrier, operation, lambda _: Repeat(elsewhere=True))
    assert len(operation.started) == 5


async def test_a_repeat_that_comes_too_late_costs_nothing():
    retries = Retries(budget=1, budget_per_second=0)
    with pytest.raises(GaveUp, match="after the deadline"):
        await call(
            retries.retrier, Failing(retries.clock), lambda _: AGAIN, until=retries.clock.now + 1
        )
    assert await call(retries.retrier, Failing(retries.clock, 1), lambda _: AGAIN) == "done"


async def pass_at_once(seconds: float) -> None:
    await checkpoint()


async def test_in_an_outage_all_callers_together_repeat_no_more_than_the_budget_allows():
    retrier = AsyncRetrier(RetryPolicy(budget=20), clock=Clock(), pause=pass_at_once)
    attempts = []
    reasons = []

    async def operation() -> None:
        attempts.append(1)
        await checkpoint()
        raise ConnectionError

    async def caller() -> None:
        with pytest.raises(GaveUp) as caught:
            await call(retrier, operation, lambda _: AGAIN)
        reasons.append(str(caught.value))

    await run_all([caller] * 100)
    assert len(attempts) == 120
    assert len(reasons) == 100


def test_the_budget_is_refilled_by_time_up_to_its_size():
    clock = Clock()
    budget = RetryBudget(3, 0.5, clock)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    clock.now += 1.75
    assert not budget.spend()
    clock.now += 0.25
    assert [budget.spend() for _ in range(2)] == [True, False]
    clock.now += 1000
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


@given(
    capacity=st.integers(0, 5),
    per_second=st.integers(0, 4),
    steps=st.lists(st.integers(0, 3), max_size=50),
)
def test_no_stretch_of_time_allows_more_than_the_budget_and_what_was_earned(
    capacity, per_second, steps
):
    clock = Clock()
    budget = RetryBudget(capacity, per_second, clock)
    spent = []
    for step in steps:
        clock.now += step
        if budget.spend():
            spent.append(clock.now)
    for index, start in enumerate(spent):
        for count, end in enumerate(spent[index:], 1):
            assert count <= capacity + per_second * (end - start)


def test_a_budget_below_one_allows_nothing():
    clock = Clock()
    budget = RetryBudget(0.5, 100, clock)
    clock.now += 100
    assert not budget.spend()


async def test_a_loop_over_attempts_ends_with_the_body_that_succeeds():
    retries = Retries(initial_backoff=0.25)
    operation = Failing(retries.clock, failures=2)
    done = []
    async for attempt in retries.retrier.attempts(lambda _: AGAIN):
        with attempt:
            done.append(await operation())
    assert done == ["done"]
    assert len(operation.started) == 3


async def test_a_loop_over_attempts_says_why_there_are_no_more():
    retries = Retries(attempts=2)
    operation = Failing(retries.clock)
    attempts = retries.retrier.attempts(lambda _: AGAIN)
    async for attempt in attempts:
        with attempt:
            await operation()
    assert attempts.reason == "2 attempts failed"
    assert attempts.errors == operation.errors
    assert not attempts.out_of_time
    cause = attempts.cause()
    assert isinstance(cause, ExceptionGroup)
    assert list(cause.exceptions) == operation.errors


async def test_the_cause_of_a_single_attempt_is_its_error():
    retries = Retries(attempts=1)
    operation = Failing(retries.clock)
    attempts = retries.retrier.attempts(lambda _: AGAIN)
    async for attempt in attempts:
        with attempt:
            await operation()
    assert attempts.cause() is operation.errors[0]


async def test_what_is_no_error_leaves_the_loop():
    retries = Retries()
    with pytest.raises(KeyboardInterrupt):
        async for attempt in retries.retrier.attempts(lambda _: AGAIN):
            with attempt:
                raise KeyboardInterrupt
    assert retries.pauses == []


async def test_a_first_attempt_may_have_been_made_before_the_loop():
    retries = Retries(attempts=3)
    operation = Failing(retries.clock)
    first = ConnectionError("before the loop")
    attempts = retries.retrier.attempts(lambda _: AGAIN, failed=first)
    async for attempt in attempts:
        with attempt:
            await operation()
    assert attempts.errors == [first, *operation.errors]
    assert len(operation.errors) == len(retries.pauses) == 2


async def test_a_first_error_that_may_not_be_repeated_is_raised():
    first = ConnectionError("before the loop")
    with pytest.raises(ConnectionError) as caught:
        Retries().retrier.attempts(lambda _: None, failed=first)
    assert caught.value is first
