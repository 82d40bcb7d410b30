"""Checks of arguments, made before anything is sent. They raise `TypeError` or `ValueError`."""

from collections.abc import Mapping

from storekit.core.arguments import check_type

__all__ = ["check_count", "check_load_function", "check_media_type", "check_type", "window"]


def check_load_function(load_fn: object) -> None:
    """Raise unless `load_fn` can be called."""
    if not callable(load_fn):
        raise TypeError(
            "load_fn must be a function that returns the content, e.g. lambda: 'a,b\\n1,2\\n', "
            f"not {type(load_fn).__name__}"
        )


def check_media_type(name: str, value: str) -> None:
    """Raise for the name of a format, such as "csv", in place of a media type."""
    if "/" not in value:
        fitting = {"csv": "text/csv", "json": "application/json"}.get(value.lower())
        wanted = repr(fitting) if fitting else "'application/json' or 'text/csv'"
        raise ValueError(f"{name} must be a media type: write {name}={wanted}, not {value!r}")


def window(q: Mapping[str, object], page_size: int) -> tuple[int, int | None]:
    """Return the first row of a paged query, and the row after its last; None for no limit."""
    if not isinstance(page_size, int) or isinstance(page_size, bool):
        raise TypeError(f"page_size must be a whole number of rows, not {page_size!r}")
    if page_size < 1:
        raise ValueError(f"page_size must be 1 or more, not {page_size}")
    offset, limit = q.get("offset") or 0, q.get("limit") or 0
    if not isinstance(offset, int) or not isinstance(limit, int):
        raise TypeError("offset and limit of a paged query must be whole numbers")
    if offset < 0 or limit < 0:
        raise ValueError("offset and limit of a paged query must be 0 or more")
    return offset, offset + limit if limit else None


def check_count(name: str, value: object) -> None:
    """Raise unless an option is a whole number of 1 or more."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be 1 or more, not {value}")
