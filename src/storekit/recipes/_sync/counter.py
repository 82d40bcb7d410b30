# Generated from src/storekit/recipes/_async/counter.py by tools/generate_sync.py; do not edit.

"""A counter that all processes share."""

from typing import Any

from storekit.qdb._sync.store import Store
from storekit.qdb.errors import AliasAlreadyExists, AliasNotFound
from storekit.recipes.checks import check_client, check_name

__all__ = ["Counter"]


class Counter:
    """A counter that all processes share. It starts at 0 and is a signed integer of 64 bits.

    ```python
    from storekit.qdb import Client
    from storekit.recipes import Counter

    with Client("embedded:") as client:
        visits = Counter(client, "visits")
        assert visits.add() == 1
    ```

    **What is guaranteed.** Each `add` that returned is counted once: it is one atomic operation of
    the store. One that was cancelled, or failed with `StoreTimeout`, may or may not be counted. If
    the store can't be reached, all methods raise what the client raises.
    """

    def __init__(self, client: Store[Any, Any, Any, Any], name: str) -> None:
        check_client(client, type(self), self.add)
        self._client = client
        self._name = check_name(name)
        self._alias = f"counter/{self._name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    def add(self, number: int = 1) -> int:
        """Add a number, which may be negative; return the new value. Raises `OutOfRange`."""
        while True:
            try:
                return self._client.int_add(self._alias, number)
            except AliasNotFound:
                try:
                    self._client.int_put(self._alias, number)
                except AliasAlreadyExists:
                    continue
                return number

    def value(self) -> int:
        """Return the current value."""
        try:
            return self._client.int_get(self._alias)
        except AliasNotFound:
            return 0

    def reset(self) -> None:
        """Set the counter to 0."""
        self._client.int_update(self._alias, 0)
