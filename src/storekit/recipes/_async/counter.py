"""A number that all processes add to."""

from typing import Any

from storekit.qdb._async.store import AsyncStore
from storekit.qdb.errors import AliasAlreadyExists, AliasNotFound
from storekit.recipes.checks import check_client, check_name

__all__ = ["AsyncCounter"]


class AsyncCounter:
    """A number that all processes add to. It begins at 0, and fits into 64 bits.

    ```python
    from storekit.qdb import AsyncClient
    from storekit.recipes import AsyncCounter

    async with AsyncClient("embedded:") as client:
        visits = AsyncCounter(client, "visits")
        assert await visits.add() == 1
    ```

    **What is guaranteed.** Each `add` that returned is counted once: it is one step in the store.
    One that was cancelled, or failed with `StoreTimeout`, may be counted or not. If the store is
    away, all methods raise. A process that dies changes nothing.
    """

    def __init__(self, client: AsyncStore[Any, Any, Any, Any], name: str) -> None:
        check_client(client, type(self), self.add)
        self._client = client
        self._name = check_name(name)
        self._alias = f"counter/{self._name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    async def add(self, number: int = 1) -> int:
        """Add a number, which may be negative; return the sum. Raises `OutOfRange`."""
        while True:
            try:
                return await self._client.int_add(self._alias, number)
            except AliasNotFound:
                try:
                    await self._client.int_put(self._alias, number)
                except AliasAlreadyExists:
                    continue
                return number

    async def value(self) -> int:
        """Return the number as it is now."""
        try:
            return await self._client.int_get(self._alias)
        except AliasNotFound:
            return 0

    async def reset(self) -> None:
        """Set the number to 0."""
        await self._client.int_update(self._alias, 0)
