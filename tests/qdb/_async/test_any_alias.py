"""What may be an alias, in every operation that takes one."""

import enum

import pytest

from storekit import qdb
from storekit.qdb import AsyncClient, AsyncRawClient, BatchRequest, Operations


class Color(str, enum.Enum):  # noqa: UP042 - what people have
    RED = "red"
    BLUE = "blue"


class Secret(str):
    __slots__ = ()

    def __str__(self):
        return "***"

    def encode(self, *args):
        raise AssertionError("nobody asks the subclass")


class Blob(bytes):
    def __bytes__(self):
        raise AssertionError("nobody asks the subclass")

    def decode(self, *args):
        raise AssertionError("nobody asks the subclass")


@pytest.mark.parametrize("kind", [AsyncClient, AsyncRawClient])
@pytest.mark.parametrize("alias", [Color.RED, Secret("red")], ids=["member", "subclass"])
async def test_text_of_any_class_is_its_text_in_every_operation(store, kind, alias):
    async with kind(store.place) as client:
        await client.put(alias, b"1")
        assert await client.get("red") == await client.get(alias) == b"1"
        with pytest.raises(qdb.AliasAlreadyExists):
            await client.put("red", b"2")
        await client.update(alias, b"2")
        assert await client.get_update(alias, b"3") == b"2"
        assert await client.compare_and_swap(alias, b"4", b"3") == b"3"
        await client.expires_from_now(alias, 60)
        await client.expires_at(alias, None)
        assert await client.get_expiry_time(alias) is None
        assert (await client.get_metadata(alias)).size
        await client.attach_tag(alias, Color.BLUE)
        assert await client.has_tag("red", "blue")
        assert await client.get_tags(alias) == ["blue"]
        assert await client.get_tagged(Color.BLUE) == ["red"]
        await client.detach_tag(alias, Color.BLUE)
        assert await client.prefix_get(alias) == await client.suffix_get(alias) == ["red"]
        assert await client.prefix_count(alias) == 1
        successes, results = await client.run_batch([BatchRequest(Operations.get_alloc, alias)])
        assert (successes, results[0].result) == (1, b"4")
        await client.run_transaction([BatchRequest(Operations.update, alias, b"5")])
        assert [alias async for alias, _ in client] == ["red"]
        await client.remove_if(alias, b"5")
        await client.int_put(alias, enum.IntEnum("Level", {"LOW": 5}).LOW)
        assert await client.int_get("red") == await client.int_add(alias, 0) == 5
        await client.remove(alias)
        await client.put("red", b"6")
        assert await client.get_remove(alias) == b"6"


async def test_content_of_any_class_is_its_bytes(store):
    async with AsyncRawClient(store.place) as client:
        await client.update("a", Blob(b"content"))
        assert await client.get(Blob(b"a")) == b"content"
        await client.update("a", Secret("text"))
        assert await client.get("a") == b"text"
        await client.update("a", Blob(b"bytes"), codec="raw")
        await client.update("b", Secret("text"), codec="text")
        assert [await client.get("a"), await client.get("b")] == [b"bytes", b"text"]


ODD = ["\x10={[]}", "\x10=1_000", "\x10pTi4=", "\x10" + "=" + "(" * 1000, "\x10x", "\x10=UUID('x')"]


async def test_one_odd_alias_breaks_no_listing(store):
    async with AsyncRawClient(store.place) as raw, AsyncClient(store.place) as client:
        await client.put(("good", 1), 1)
        await client.attach_tag(("good", 1), (2, 3))
        await raw.put("many", b"\x80\x02N.")
        for alias in ODD:
            await raw.put(alias, b"\x80\x02N.")
            await raw.attach_tag(alias, "all")
            await raw.attach_tag("many", alias + "!")
        expected = {*ODD, ("good", 1)}
        assert expected <= set(await client.prefix_get("\x10"))
        assert {alias async for alias, _ in client} == {*expected, "many"}
        assert set(await client.get_tags("many")) == {alias + "!" for alias in ODD}
        assert set(await client.suffix_get("(")) == {ODD[3]}
        assert set(await client.get_tagged("all")) == set(ODD)
        assert await client.get_tags(("good", 1)) == [(2, 3)]


async def test_other_objects_are_aliases_only_on_request(store):
    async with AsyncClient(store.place) as client:
        with pytest.raises(TypeError, match="pickle_aliases=True"):
            await client.put(frozenset({1}), 1)
    async with AsyncClient(store.place, pickle_aliases=True) as client:
        await client.put(frozenset({1}), 1)
        assert await client.get(frozenset({1})) == 1
        assert [alias async for alias, _ in client] == [frozenset({1})]


async def test_what_is_listed_is_found_by_that(store):
    async with AsyncRawClient(store.place) as raw, AsyncClient(store.place) as client:
        for alias in ODD:
            await raw.put(alias, b"\x80\x02N.")
        for alias in await client.prefix_get("\x10"):
            assert await client.get(alias) is None
            await client.remove(alias)
        assert [alias async for alias, _ in client] == []
