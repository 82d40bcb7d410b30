"""Operations on entries that hold an integer."""

from storekit.qdb._async.conversion import AsyncAliases
from storekit.qdb.values import Expiry
from storekit.qdb.variables import Alias, Found

__all__ = ["AsyncIntegers"]


class AsyncIntegers(AsyncAliases[Alias, Found]):
    """Operations on integers of 64 bits with sign."""

    async def int_put(self, alias: Alias, value: int, expiry_time: Expiry = None) -> None:
        """Store a new integer of 64 bits with sign. Raises `AliasAlreadyExists`, `ValueError`."""
        text, number, expiry = self._write_integer("int_put", alias, value, expiry_time)
        await self._call("int_put", text, lambda session: session.int_put(text, number, expiry))

    async def int_update(self, alias: Alias, value: int, expiry_time: Expiry = None) -> None:
        """Store an integer, new or not. Raises `ValueError` if it has more than 64 bits."""
        text, number, expiry = self._write_integer("int_update", alias, value, expiry_time)
        await self._call(
            "int_update", text, lambda session: session.int_update(text, number, expiry)
        )

    async def int_get(self, alias: Alias) -> int:
        """Return an integer. Raises `AliasNotFound`."""
        text = self._alias("int_get", alias)
        return await self._call("int_get", text, lambda session: session.int_get(text), reads=True)

    async def int_add(self, alias: Alias, addend: int) -> int:
        """Add to an integer in one step and return the sum.

        Raises `OutOfRange`, and nothing has changed, if that has more than 64 bits; and
        `AliasNotFound`.
        """
        text, number, _ = self._write_integer("int_add", alias, addend, None)
        return await self._call("int_add", text, lambda session: session.int_add(text, number))
