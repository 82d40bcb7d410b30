"""The operator `in`: an answer where one can be waited for, otherwise the method to call."""

import pytest

from storekit.qdb import AsyncClient, AsyncRawClient, Client, RawClient


@pytest.mark.parametrize(("kind", "value"), [(Client, ["any"]), (RawClient, b"1")])
def test_in_tells_whether_there_is_such_an_entry(kind, value):
    with kind("embedded:") as client:
        client.put("a", value)
        client.int_put("i", 1)
        assert "a" in client
        assert "i" in client
        assert "b" not in client


def test_in_reads_no_values():
    with Client("embedded:") as client:
        client.put("t", "no pickle", codec="text")
        assert "t" in client
        assert ("any", "object") not in client


@pytest.mark.parametrize("alias", ["", "a" * 2000, "a\0", "..a"])
@pytest.mark.parametrize("kind", [Client, RawClient])
def test_what_can_be_no_alias_is_not_in_a_client(kind, alias):
    with kind("embedded:") as client:
        assert alias not in client


@pytest.mark.parametrize("kind", [AsyncClient, AsyncRawClient])
def test_in_can_not_wait_and_names_the_method_that_does(kind):
    client = kind("embedded:")
    with pytest.raises(TypeError, match=r"await client\.exists\(alias\)"):
        "a" in client  # noqa: B015 - it raises
