"""Checks of what recipes are made with."""

import inspect
import math
from collections.abc import Callable

__all__ = ["check_client", "check_name", "check_seconds"]


def check_client(client: object, recipe: type, method: Callable[..., object]) -> None:
    """Check that a client is of the kind of a recipe, as its method is: `TypeError`."""
    exists = getattr(client, "exists", None)
    if exists is None:
        raise TypeError(
            f"{recipe.__name__} takes a client of storekit.qdb, not {type(client).__name__}"
        )
    waits = inspect.iscoroutinefunction(method)
    if inspect.iscoroutinefunction(exists) != waits:
        name = recipe.__name__
        other = name.removeprefix("Async") if waits else f"Async{name}"
        raise TypeError(f"{name} is not for a {type(client).__name__}: use {other}")


def check_name(name: object) -> str:
    """Check the name of something: `TypeError`, `ValueError`."""
    if not isinstance(name, str):
        raise TypeError(f"a name must be text, not {name!r}")
    if not name or "\0" in name:
        raise ValueError(f"a name must have characters, and none that is NUL, not {name!r}")
    return str(name)


def check_seconds(option: str, value: object) -> float:
    """Check a time: `TypeError`, `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option} must be a number of seconds, not {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{option} must be more than 0 seconds and finite, not {value!r}")
    return float(value)
