"""What a session has done, for the status of the node."""

from dataclasses import dataclass

__all__ = ["OPERATIONS", "Counter"]

OPERATIONS = (
    "get",
    "put",
    "update",
    "get_and_update",
    "compare_and_swap",
    "get_and_remove",
    "remove",
    "remove_if",
    "purge_all",
)


@dataclass(slots=True)
class Counter:
    """How often something was done in this session, and how many bytes went where."""

    count: int = 0
    successes: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
