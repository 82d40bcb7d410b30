# Generated from tests/qdb/_async/test_find.py by tools/generate_sync.py; do not edit.

"""Entries are found by their tags and types."""

import pytest

from storekit.qdb import Client, ErrorCode, InvalidArgument, InvalidQuery, RawClient


def fill(client):
    for alias, tags in (("1", "ab"), ("2", "a"), ("3", "b"), ("4", "")):
        client.put(alias, b"")
        for tag in tags:
            client.attach_tag(alias, tag)
    client.int_put("i", 1)
    client.attach_tag("i", "a")


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
def test_a_query_finds_entries_by_tag_and_type(store, query, found):
    with RawClient(store.place, **store.options) as client:
        fill(client)
        assert sorted(client.find(query)) == list(found)


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
def test_what_is_no_query_is_refused(store, query):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(InvalidQuery) as caught:
            client.find(query)
        assert isinstance(caught.value, InvalidArgument)


def test_the_error_says_what_was_expected_where(store):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(InvalidQuery, match=r"find.*character 13.*a tag in quotes"):
            client.find("find(tag=red)")


@pytest.mark.parametrize(
    "query",
    [
        "(" * 5000 + "tag='a'" + ")" * 5000,
        "not " * 5000 + "tag='a'",
        " or ".join(["tag='a'"] * 5000),
    ],
)
def test_a_query_that_is_too_large_is_refused(store, query):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(InvalidQuery) as caught:
            client.find(query)
        assert caught.value.error_code == ErrorCode.QUERY_TOO_COMPLEX


def test_a_query_is_text(store):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(TypeError, match=r"find\(tag='a'\)"):
            client.find(b"tag='a'")


def test_aliases_that_stand_for_objects_are_found_as_these(store):
    with Client(store.place, **store.options) as client:
        client.put(("any", 1), None)
        client.attach_tag(("any", 1), "it's")
        assert client.find('tag="it\'s"') == [("any", 1)]


def test_entries_and_tags_that_have_expired_are_not_found(timed_store):
    with RawClient(timed_store.place, **timed_store.options) as client:
        fill(client)
        client.expires_from_now("2", 60)
        timed_store.clock.sleep(61_000)
        assert sorted(client.find("tag='a'")) == ["1", "i"]
