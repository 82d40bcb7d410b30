"""Arguments that several commands read: times and sizes."""

import math
import re
from datetime import timedelta

import click

__all__ = ["as_duration", "as_size", "duration", "size"]

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST = 100 * 366 * 86_400
_BYTES = {
    "": 1, "b": 1,
    "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9,
    "kib": 2**10, "mib": 2**20, "gib": 2**30,
}  # fmt: skip


def duration(text: str) -> timedelta | None:
    """Return a time from now: `30`, `30s`, `5m`, `2h`, `1d`, `1w`; None for `never`.

    Raises `BadParameter`.
    """
    if text.strip().lower() == "never":
        return None
    seconds = _scaled(text, _SECONDS)
    if seconds is None:
        raise click.BadParameter(f"{text!r} is no time: 30, 30s, 5m, 2h, 1d, 1w, or never")
    if not math.isfinite(seconds) or seconds > _LONGEST:
        raise click.BadParameter(f"{text!r} is more than a hundred years; say never")
    return timedelta(seconds=seconds)


def size(text: str) -> int:
    """Return a number of bytes: `1000`, `64KiB`, `10MB`, `2GB`. Raises `BadParameter`."""
    found = _scaled(text, _BYTES)
    if found is None or not math.isfinite(found):
        raise click.BadParameter(f"{text!r} is no size: 1000, 64KiB, 10MB, 2GB")
    return round(found)


def _scaled(text: str, units: dict[str, int]) -> float | None:
    matched = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", text.strip().lower())
    if matched is None or matched[2] not in units:
        return None
    return float(matched[1]) * units[matched[2]]


def as_duration(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    """Read an option by `duration`."""
    return None if value is None else duration(value)


def as_size(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Read an option by `size`."""
    return None if value is None else size(value)
