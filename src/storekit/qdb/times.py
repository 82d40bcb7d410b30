"""Conversion of times between clients and engines: times of expiry, and timestamps."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import Enum
from typing import Final, Literal, Self

from storekit.errors import CodecError
from storekit.qdb.engine import NEVER, PRESERVE
from storekit.qdb.errors import ErrorCode, error_for

__all__ = [
    "PRESERVE_EXPIRY",
    "Expiry",
    "ExpiryRule",
    "TimeZone",
    "from_milliseconds",
    "from_nanoseconds",
    "milliseconds_from_now",
    "to_milliseconds",
    "to_nanoseconds",
    "tz",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_FROM_NOW = "expires_from_now"
_TAKEN_FOR_SECONDS_FROM_NOW = 10 * 366 * 86_400
_CLOCKS_DIFFER = 5 * 60 * 1000
"""Milliseconds by which an expiry may lie in the past: as many as clusters accept."""


class TimeZone(tzinfo):
    """The quasardb time zone is UTC."""

    def utcoffset(self, dt: datetime | None) -> timedelta:  # noqa: ARG002 - given by the base class
        """Return no offset."""
        return timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta:  # noqa: ARG002
        """Return no offset."""
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:  # noqa: ARG002
        """Return "UTC"."""
        return "UTC"

    def __repr__(self) -> str:
        return "qdb.tz"

    def __reduce__(self) -> tuple[type[timezone], tuple[timedelta]]:
        # As the time zone of the standard library, which every client can unpickle.
        return timezone, (timedelta(0),)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


tz: TimeZone = TimeZone()
"""The time zone of every datetime that the clients return."""


class ExpiryRule(Enum):
    """Values of an expiry other than a time."""

    PRESERVE = "preserve"

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


PRESERVE_EXPIRY: Final = ExpiryRule.PRESERVE
"""An expiry for updates: an existing entry keeps its expiry, a new one never expires."""

Expiry = datetime | timedelta | int | float | Literal[ExpiryRule.PRESERVE] | None
"""When an entry expires: a datetime (a naive one means UTC), a timedelta from now, a number of
seconds since the epoch (as of `time.time()`, not from now), `PRESERVE_EXPIRY`, or None for never.
The resolution is one millisecond."""


def to_milliseconds(expiry: Expiry, now: float, operation: str | None = None) -> int:
    """Return an expiry in milliseconds since the epoch, or `NEVER` or `PRESERVE`.

    `now` is in seconds since the epoch. Errors name the `operation`.

    Raises:
        TypeError: The expiry is of another type.
        InvalidArgument: It is more than five minutes ago, too far away, infinite or NaN.

    """
    if expiry is None:
        return NEVER
    if expiry is PRESERVE_EXPIRY:
        return PRESERVE
    if isinstance(expiry, datetime):
        # Not by tzinfo: a datetime whose tzinfo gives no offset is naive as well.
        aware = expiry if expiry.utcoffset() is not None else expiry.replace(tzinfo=UTC)
        milliseconds = (aware - _EPOCH) // _MILLISECOND
    elif isinstance(expiry, timedelta):
        milliseconds = round(now * 1000) + expiry // _MILLISECOND
    elif isinstance(expiry, int | float) and not isinstance(expiry, bool):
        try:
            milliseconds = round(expiry * 1000)  # 1.001 * 1000 is less than 1001
        except (OverflowError, ValueError):
            raise _invalid(f"{expiry!r} is not a time.", operation) from None
    else:
        asked = "" if operation is None else f"{operation}: "
        raise TypeError(
            f"{asked}an expiry must be a datetime, a timedelta, seconds since the epoch, or None, "
            f"not {type(expiry).__name__}"
        )
    if milliseconds < now * 1000 - _CLOCKS_DIFFER:
        detail = f"The expiry {expiry!r} is in the past."
        if isinstance(expiry, int | float) and abs(expiry) <= _TAKEN_FOR_SECONDS_FROM_NOW:
            detail += (
                " A number is seconds since the epoch; for so many seconds from now, give "
                f"datetime.timedelta(seconds={expiry!r})."
            )
        raise _invalid(detail, operation)
    if milliseconds >= 2**63:
        raise _invalid(f"The expiry {expiry!r} is too far away; for never, use None.", operation)
    return max(1, milliseconds)


def milliseconds_from_now(delta: timedelta | float) -> int:
    """Return the milliseconds in a timedelta or in a number of seconds.

    Raises:
        TypeError: It is of another type.
        InvalidArgument: It is negative, too large, or not a number.

    """
    if isinstance(delta, timedelta):
        milliseconds = delta // _MILLISECOND
    elif isinstance(delta, int | float) and not isinstance(delta, bool):
        try:
            milliseconds = round(delta * 1000)
        except (OverflowError, ValueError):
            raise _invalid(f"{delta!r} is not a number of seconds.", _FROM_NOW) from None
    else:
        raise TypeError(f"{_FROM_NOW} takes seconds or a timedelta, not {type(delta).__name__}")
    if milliseconds < 0:
        raise _invalid(f"The expiry {delta!r} is in the past.", _FROM_NOW)
    if milliseconds >= 2**62:
        raise _invalid(
            f"The expiry {delta!r} is too far away; use expires_at with None.", _FROM_NOW
        )
    return milliseconds


def from_milliseconds(milliseconds: int) -> datetime | None:
    """Return a time of expiry as a datetime in `tz`; None for never.

    A time beyond the year 9999 becomes the last moment of that year.
    """
    if milliseconds == NEVER:
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(tz)
    except OverflowError:
        return datetime.max.replace(tzinfo=tz)


def to_nanoseconds(value: object, kind: type) -> int:
    """Return a datetime (since the epoch) or a timedelta, whichever `kind` is, in nanoseconds.

    An int is nanoseconds already. Raises `TypeError`, and `ValueError` for a datetime without
    time zone.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, kind):
        raise TypeError(
            f"a timestamp is given as a {kind.__name__} or as nanoseconds in an int, "
            f"not {type(value).__name__}"
        )
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(
                "a timestamp needs a datetime with a time zone, such as tzinfo=datetime.UTC"
            )
        value = value - _EPOCH
    assert isinstance(value, timedelta)  # noqa: S101 - `kind` is one of these two
    return value // _MICROSECOND * 1000


def from_nanoseconds(nanoseconds: int, alias: str) -> datetime:
    """Return a timestamp as a datetime in `tz`, rounded down to the microsecond.

    Raises `CodecError` for one outside the years 1 to 9999.
    """
    try:
        return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).astimezone(tz)
    except OverflowError:
        raise CodecError(
            "the timestamp is outside the years 1 to 9999; timestamp_get_ns returns it as an int",
            codec="timestamp",
            key=alias,
        ) from None


def _invalid(detail: str, operation: str | None) -> Exception:
    return error_for(ErrorCode.INVALID_ARGUMENT, detail, operation=operation)
