"""Type checks of arguments, which every client makes before anything else."""

import inspect
from typing import TypeVar

__all__ = ["check_callable", "check_type", "named_without_class"]

C = TypeVar("C")


def named_without_class(kind: type[C]) -> type[C]:
    """Make Python's own errors say `get() missing ...`, without the class that defines `get`.

    That class is a private base class of the client, whose name would not help the caller.
    """
    for name, method in vars(kind).items():
        if inspect.isfunction(method):
            method.__qualname__ = name
    return kind


def check_type(name: str, value: object, kind: type | tuple[type, ...]) -> None:
    """Raise `TypeError` if an option is given (not None) and of another type."""
    if value is not None and not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(each.__name__ for each in kinds)
        raise TypeError(f"{name} must be a {wanted}, not {type(value).__name__}")


def check_callable(name: str, value: object, method: str | None = None) -> None:
    """Raise `TypeError` for a value that can't be called, or that has no such method."""
    if not callable(value if method is None else getattr(value, method, None)):
        wanted = "can be called" if method is None else f"has the method {method}"
        raise TypeError(f"{name} must be something that {wanted}, not {type(value).__name__}")
