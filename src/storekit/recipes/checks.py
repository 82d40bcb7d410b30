"""Checks of the arguments of recipes."""

import inspect
import math
from collections.abc import Callable

__all__ = ["check_client", "check_name", "check_seconds"]


def check_client(client: object, recipe: type, method: Callable[..., object]) -> None:
    """Raise `TypeError` unless the client is async or sync as the recipe's method is."""
    exists = getattr(client, "exists", None)
    if exists is None:
        raise TypeError(
            f"{recipe.__name__} takes a client of storekit.qdb, not {type(client).__name__}"
        )
    is_async = inspect.iscoroutinefunction(method)
    if inspect.iscoroutinefunction(exists) != is_async:
        name = recipe.__name__
        other = name.removeprefix("Async") if is_async else f"Async{name}"
        raise TypeError(f"{name} is not for a {type(client).__name__}: use {other}")


def check_name(name: object) -> str:
    """Return a valid name. Raises `TypeError` and `ValueError`."""
    if not isinstance(name, str):
        raise TypeError(f"a name must be text, not {name!r}")
    if not name or "\0" in name:
        raise ValueError(f"a name must not be empty or contain NUL, not {name!r}")
    return str(name)


def check_seconds(option: str, value: object) -> float:
    """Return a valid number of seconds. Raises `TypeError` and `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option} must be a number of seconds, not {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{option} must be more than 0 seconds and finite, not {value!r}")
    return float(value)
