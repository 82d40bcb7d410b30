import dataclasses
import math

import pytest

from storekit.options import PoolLimits, RetryPolicy, Timeouts

TIMEOUTS = ["connect", "read", "write", "pool", "total"]
NO_NUMBERS = ["1", True, math.nan, b"1", [1]]


@pytest.mark.parametrize("options", [Timeouts(), PoolLimits(), RetryPolicy()])
def test_options_are_frozen_values(options):
    assert options == type(options)()
    assert hash(options) == hash(type(options)())
    for field in dataclasses.fields(options):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(options, field.name, 1)


@pytest.mark.parametrize("kind", [Timeouts, PoolLimits, RetryPolicy])
def test_options_are_given_by_name(kind):
    with pytest.raises(TypeError, match="positional"):
        kind(1)


@pytest.mark.parametrize("field", TIMEOUTS)
@pytest.mark.parametrize("value", [None, 0.001, 1, 2_000_000])
def test_a_timeout_is_a_number_of_seconds_or_none(field, value):
    assert getattr(Timeouts(**{field: value}), field) == value


@pytest.mark.parametrize("field", TIMEOUTS)
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_timeout_of_another_type_is_refused(field, value):
    with pytest.raises(TypeError, match=f"timeout {field} must be a number of seconds, not "):
        Timeouts(**{field: value})


@pytest.mark.parametrize("field", TIMEOUTS)
@pytest.mark.parametrize("value", [0, -0.0, -1, -math.inf])
def test_a_timeout_leaves_some_time(field, value):
    with pytest.raises(ValueError, match=f"timeout {field} must be more than 0 seconds, not "):
        Timeouts(**{field: value})


@pytest.mark.parametrize("field", TIMEOUTS)
@pytest.mark.parametrize("value", [2_000_001, math.inf])
def test_a_timeout_longer_than_the_system_can_wait_is_refused(field, value):
    with pytest.raises(ValueError, match=f"timeout {field} must be at most .* or None for no"):
        Timeouts(**{field: value})


@pytest.mark.parametrize(
    "limits",
    [
        {"min_size": 0, "max_size": 1},
        {"min_size": 5, "max_size": 5},
        {"max_waiting": None},
        {"max_waiting": 0},
        {"max_idle": math.inf, "max_lifetime": math.inf},
        {"max_idle": 0.1, "max_lifetime": 1},
    ],
)
def test_limits_in_range_are_kept(limits):
    assert PoolLimits(**limits) == dataclasses.replace(PoolLimits(), **limits)


@pytest.mark.parametrize("field", ["min_size", "max_size", "max_waiting"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, 1.0])
def test_a_count_that_is_not_a_whole_number_is_refused(field, value):
    with pytest.raises(TypeError, match=f"{field} must be a whole number, not "):
        PoolLimits(**{field: value})


@pytest.mark.parametrize("field", ["min_size", "max_size"])
def test_only_the_queue_can_be_without_limit(field):
    with pytest.raises(TypeError, match=f"{field} must be a whole number, not None"):
        PoolLimits(**{field: None})


@pytest.mark.parametrize("field", ["max_idle", "max_lifetime"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, None])
def test_an_age_that_is_not_a_number_is_refused(field, value):
    with pytest.raises(TypeError, match=f"{field} must be a number of seconds, not "):
        PoolLimits(**{field: value})


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_size": -1}, "min_size must be 0 or more, not -1"),
        ({"max_waiting": -1}, "max_waiting must be 0 or more, not -1"),
        ({"max_size": 0}, "max_size must be 1 or more, not 0"),
        ({"min_size": 6, "max_size": 5}, "min_size must be at most max_size, not 6"),
        ({"min_size": 65}, "min_size must be at most max_size, not 65"),
        ({"max_idle": 0}, "max_idle must be more than 0 seconds, not 0"),
        ({"max_lifetime": -1.0}, "max_lifetime must be more than 0 seconds, not -1.0"),
    ],
)
def test_limits_out_of_range_are_refused(limits, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        PoolLimits(**limits)


AMOUNTS = ["initial_backoff", "max_backoff", "budget", "budget_per_second"]


@pytest.mark.parametrize("field", AMOUNTS)
@pytest.mark.parametrize("value", [0, 0.5, 1000])
def test_amounts_of_a_retry_policy_may_be_zero(field, value):
    assert getattr(RetryPolicy(**{field: value}), field) == value


@pytest.mark.parametrize("field", AMOUNTS)
@pytest.mark.parametrize("value", [*NO_NUMBERS, None])
def test_an_amount_that_is_not_a_number_is_refused(field, value):
    with pytest.raises(TypeError, match=f"{field} must be a number, not "):
        RetryPolicy(**{field: value})


@pytest.mark.parametrize("field", AMOUNTS)
@pytest.mark.parametrize("value", [-1, -0.1, math.inf, -math.inf])
def test_an_amount_below_zero_or_without_end_is_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must be 0 or more and finite, not "):
        RetryPolicy(**{field: value})


@pytest.mark.parametrize("value", [*NO_NUMBERS, None, 2.0])
def test_attempts_that_are_not_a_whole_number_are_refused(value):
    with pytest.raises(TypeError, match="attempts must be a whole number, not "):
        RetryPolicy(attempts=value)


@pytest.mark.parametrize("value", [0, -1])
def test_at_least_one_attempt_is_made(value):
    with pytest.raises(ValueError, match="attempts must be 1 or more, not "):
        RetryPolicy(attempts=value)
    assert RetryPolicy(attempts=1).attempts == 1
