# Generated from tests/qdb/_async/test_any_alias.py by tools/generate_sync.py; do not edit.

"""What may be an alias, in every operation that takes one."""

import enum

import pytest

from storekit import qdb
from storekit.qdb import BatchRequest, Client, Operations, RawClient


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


@pytest.mark.parametrize("kind", [Client, RawClient])
@pytest.mark.parametrize("alias", [Color.RED, Secret("red")], ids=["member", "subclass"])
def test_text_of_any_class_is_its_text_in_every_operation(store, kind, alias):
    with kind(store.place) as client:
        client.put(alias, b"1")
        assert client.get("red") == client.get(alias) == b"1"
        with pytest.raises(qdb.AliasAlreadyExists):
            client.put("red", b"2")
        client.update(alias, b"2")
        assert client.get_update(alias, b"3") == b"2"
        assert client.compare_and_swap(alias, b"4", b"3") == b"3"
        client.expires_from_now(alias, 60)
        client.expires_at(alias, None)
        assert client.get_expiry_time(alias) is None
        assert client.get_metadata(alias).size
        client.attach_tag(alias, Color.BLUE)
        assert client.has_tag("red", "blue")
        assert client.get_tags(alias) == ["blue"]
        assert client.get_tagged(Color.BLUE) == ["red"]
        client.detach_tag(alias, Color.BLUE)
        assert client.prefix_get(alias) == client.suffix_get(alias) == ["red"]
        assert client.prefix_count(alias) == 1
        successes, results = client.run_batch([BatchRequest(Operations.get_alloc, alias)])
        assert (successes, results[0].result) == (1, b"4")
        client.run_transaction([BatchRequest(Operations.update, alias, b"5")])
        assert [alias for alias, _ in client] == ["red"]
        client.remove_if(alias, b"5")
        client.int_put(alias, enum.IntEnum("Level", {"LOW": 5}).LOW)
        assert client.int_get("red") == client.int_add(alias, 0) == 5
        client.remove(alias)
        client.put("red", b"6")
        assert client.get_remove(alias) == b"6"


def test_content_of_any_class_is_its_bytes(store):
    with RawClient(store.place) as client:
        client.update("a", Blob(b"content"))
        assert client.get(Blob(b"a")) == b"content"
        client.update("a", Secret("text"))
        assert client.get("a") == b"text"
        client.update("a", Blob(b"bytes"), codec="raw")
        client.update("b", Secret("text"), codec="text")
        assert [client.get("a"), client.get("b")] == [b"bytes", b"text"]


ODD = ["\x10={[]}", "\x10=1_000", "\x10pTi4=", "\x10" + "=" + "(" * 1000, "\x10x", "\x10=UUID('x')"]


def test_one_odd_alias_breaks_no_listing(store):
    with RawClient(store.place) as raw, Client(store.place) as client:
        client.put(("good", 1), 1)
        client.attach_tag(("good", 1), (2, 3))
        raw.put("many", b"\x80\x02N.")
        for alias in ODD:
            raw.put(alias, b"\x80\x02N.")
            raw.attach_tag(alias, "all")
            raw.attach_tag("many", alias + "!")
        expected = {*ODD, ("good", 1)}
        assert expected <= set(client.prefix_get("\x10"))
        assert {alias for alias, _ in client} == {*expected, "many"}
        assert set(client.get_tags("many")) == {alias + "!" for alias in ODD}
        assert set(client.suffix_get("(")) == {ODD[3]}
        assert set(client.get_tagged("all")) == set(ODD)
        assert client.get_tags(("good", 1)) == [(2, 3)]


def test_other_objects_are_aliases_only_on_request(store):
    with Client(store.place) as client:
        with pytest.raises(TypeError, match="pickle_aliases=True"):
            client.put(frozenset({1}), 1)
    with Client(store.place, pickle_aliases=True) as client:
        client.put(frozenset({1}), 1)
        assert client.get(frozenset({1})) == 1
        assert [alias for alias, _ in client] == [frozenset({1})]


def test_what_is_listed_is_found_by_that(store):
    with RawClient(store.place) as raw, Client(store.place) as client:
        for alias in ODD:
            raw.put(alias, b"\x80\x02N.")
        for alias in client.prefix_get("\x10"):
            assert client.get(alias) is None
            client.remove(alias)
        assert [alias for alias, _ in client] == []
