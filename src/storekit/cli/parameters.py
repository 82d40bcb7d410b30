"""Parses arguments of several commands: times and sizes."""

import math
import re
from datetime import timedelta

import click

__all__ = ["as_duration", "as_size", "duration", "size"]

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST = 100 * 366 * 86_400


def duration(text: str) -> timedelta | None:
    """Parse a duration: `30`, `30s`, `5m`, `2h`, `1d`, `1w`; None for `never`.

    Raises `BadParameter`.
    """
    if text.strip().lower() == "never":
        return None
    matched = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", text.strip().lower())
    if matched is None or matched[2] not in _SECONDS:
        raise click.BadParameter(f"{text!r} is not a time such as 30, 30s, 5m, 2h, 1d, 1w, never")
    seconds = float(matched[1]) * _SECONDS[matched[2]]
    if not math.isfinite(seconds) or seconds > _LONGEST:
        raise click.BadParameter(f"{text!r} is more than a hundred years; use never")
    return timedelta(seconds=seconds)


def size(text: str) -> int:
    """Parse a number of bytes: `1000`, `64KiB`, `10MB`, `2GB`. Raises `BadParameter`."""
    from storekit.qcache.node.units import parse_size  # noqa: PLC0415 - not needed for `--help`

    try:
        return parse_size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def as_duration(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    """Parse an option with `duration`."""
    return None if value is None else duration(value)


def as_size(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Parse an option with `size`."""
    return None if value is None else size(value)
