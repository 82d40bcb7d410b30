"""Tags on entries."""

from storekit.qdb._async.conversion import AsyncAliases
from storekit.qdb.variables import Alias, Found

__all__ = ["AsyncTags"]


class AsyncTags(AsyncAliases[Alias, Found]):
    """Tags, by which entries are found."""

    async def attach_tag(self, alias: Alias, tag: Alias) -> None:
        """Tag an entry. Raises `TagAlreadySet` and `AliasNotFound`."""
        text, name = self._tag("attach_tag", alias, tag)
        await self._call("attach_tag", text, lambda session: session.attach_tag(text, name))

    async def detach_tag(self, alias: Alias, tag: Alias) -> None:
        """Take a tag off an entry. Raises `TagNotSet` and `AliasNotFound`."""
        text, name = self._tag("detach_tag", alias, tag)
        await self._call("detach_tag", text, lambda session: session.detach_tag(text, name))

    async def has_tag(self, alias: Alias, tag: Alias) -> bool:
        """Return whether an entry has a tag. Raises `AliasNotFound`."""
        text, name = self._tag("has_tag", alias, tag, writes=False)
        return await self._call(
            "has_tag", text, lambda session: session.has_tag(text, name), reads=True
        )

    async def get_tags(self, alias: Alias) -> list[Found]:
        """Return the tags of an entry. Raises `AliasNotFound`."""
        text = self._alias("get_tags", alias)
        return self._aliases(
            await self._call("get_tags", text, lambda session: session.get_tags(text), reads=True)
        )

    async def get_tagged(self, tag: Alias) -> list[Found]:
        """Return the aliases of all entries that have a tag; [] if there is no such tag."""
        name = self._alias("get_tagged", tag)
        return self._aliases(
            await self._call(
                "get_tagged", name, lambda session: session.get_tagged(name), reads=True
            )
        )
