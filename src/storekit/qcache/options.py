"""Types of the `**options` in the overloads of operations."""

from collections.abc import Mapping
from typing import TypedDict

__all__ = ["GetOptions", "PostOptions"]


class GetOptions(TypedDict, total=False):
    """The keyword arguments of `get`, which describes them."""

    stand_in_columns: Mapping[str, object] | None


class PostOptions(TypedDict, total=False):
    """The keyword arguments of `post` and `query`, which describe them."""

    types: Mapping[str, str] | None
    stand_in_columns: Mapping[str, object] | None
