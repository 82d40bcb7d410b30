"""Entries are found by their tags and types."""

import pytest

from storekit.qdb import AsyncClient, AsyncRawClient, ErrorCode, InvalidArgument, InvalidQuery


async def fill(client):
    for alias, tags in (("1", "ab"), ("2", "a"), ("3", "b"), ("4", "")):
        await client.put(alias, b"")
        for tag in tags:
            await client.attach_tag(alias, tag)
    await client.int_put("i", 1)
    await client.attach_tag("i", "a")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("find(tag='a')", "12i"),
        ("find(tag='a' AND NOT tag='b')", "2i"),
        ("tag='a' and type=blob", "12"),
        ("tag='a' and type=integer", "i"),
        ("FIND ( TAG = \"a\" OR Tag='b' )", "123i"),
        ("find(tag='a' and (tag='b' or type=int))", "1i"),
        ("tag='a' and not (tag='b' or type=int)", "2"),
        ("not not tag='b' and tag='a'", "1"),
        ("tag='b' or tag='a' and type=int", "13i"),
        ("type=tag", "ab"),
        ("type=blob and not tag='a' and not tag='b'", "4"),
        ("tag='c'", ""),
        ("tag='a' and type=ts", ""),
    ],
)
async def test_a_query_finds_entries_by_tag_and_type(store, query, found):
    async with AsyncRawClient(store.place, **store.options) as client:
        await fill(client)
        assert sorted(await client.find(query)) == list(found)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "find()",
        "find(tag='a'",
        "find(tag='a'))",
        "tag=a",
        "tag='a' tag='b'",
        "tag='a' and",
        "type=nothing",
        "size=3",
        "tag='a' and or tag='b'",
        "select * from a",
        "tag='a",
        "tag!='a'",
        "not",
        "nul \0",
    ],
)
async def test_what_is_no_query_is_refused(store, query):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(InvalidQuery) as caught:
            await client.find(query)
        assert isinstance(caught.value, InvalidArgument)


async def test_the_error_says_what_was_expected_where(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(InvalidQuery, match=r"find.*character 13.*a tag in quotes"):
            await client.find("find(tag=red)")


@pytest.mark.parametrize(
    "query",
    [
        "(" * 5000 + "tag='a'" + ")" * 5000,
        "not " * 5000 + "tag='a'",
        " or ".join(["tag='a'"] * 5000),
    ],
)
async def test_a_query_that_is_too_large_is_refused(store, query):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(InvalidQuery) as caught:
            await client.find(query)
        assert caught.value.error_code == ErrorCode.QUERY_TOO_COMPLEX


async def test_a_query_is_text(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(TypeError, match=r"find\(tag='a'\)"):
            await client.find(b"tag='a'")


async def test_aliases_that_stand_for_objects_are_found_as_these(store):
    async with AsyncClient(store.place, **store.options) as client:
        await client.put(("any", 1), None)
        await client.attach_tag(("any", 1), "it's")
        assert await client.find('tag="it\'s"') == [("any", 1)]


async def test_entries_and_tags_that_have_expired_are_not_found(timed_store):
    async with AsyncRawClient(timed_store.place, **timed_store.options) as client:
        await fill(client)
        await client.expires_from_now("2", 60)
        timed_store.clock.sleep(61_000)
        assert sorted(await client.find("tag='a'")) == ["1", "i"]
