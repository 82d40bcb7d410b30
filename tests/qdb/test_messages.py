"""The mistakes of a beginner, and the words that get on from there."""

import pytest

from storekit import qdb
from storekit.qdb import BatchRequest, Client, Operations, RawClient


def message(call):
    with pytest.raises((ValueError, TypeError, qdb.QuasardbException)) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://host", ["qdb://host:port", "embedded:"]),
        ("qcache+embedded:", ["QClient", "storekit.connect"]),
        ("localhost", ["qdb://localhost"]),
        ("127.0.0.1:2836", ["qdb://127.0.0.1:2836"]),
        ("embedded", ["embedded:embedded", "qdb://embedded"]),
        ("", ["embedded:"]),
        ("sqlite:///path", ["embedded:PATH"]),
    ],
)
@pytest.mark.parametrize("kind", [Client, RawClient, qdb.AsyncClient])
def test_an_address_that_is_none_says_what_addresses_look_like(kind, address, words):
    said = message(lambda: kind(address))
    assert all(word in said for word in words), said


def test_a_password_in_an_address_is_not_shown():
    assert "secret" not in message(lambda: Client("http://user:secret@host"))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda c: c.put("a", 1, 60), ["timedelta(seconds=60)", "since the epoch"]),
        (lambda c: c.put("there", 1), ["update", "put 'there'"]),
        (lambda c: c.get("i"), ["get_metadata", "get 'i'"]),
        (lambda c: c.put("a", RawClient), ["allow="]),
        (lambda c: c.run_batch(BatchRequest(Operations.get_alloc, "a")), ["[request]"]),
        (lambda c: c.run_batch([BatchRequest("put", "a", 1)]), ["qdb.Operations", "'put'"]),
        (lambda c: c.run_batch(["a"]), ["BatchRequest", "str"]),
        (lambda c: c.get_many("alias"), ["[alias]"]),
        (lambda c: c.prefix_get("a", "10"), ["max_count", "whole number"]),
        (lambda c: c.int_put("n", 1.5), ["int", "float"]),
        (lambda c: c.get("a", codec="jsn"), ["jsn"]),
        (lambda c: c.get(""), ["at least one character"]),
        (len, ["prefix_count"]),
        (lambda c: c.expires_from_now("there", "60"), ["seconds", "timedelta"]),
    ],
)
def test_a_wrong_call_says_what_to_do(mistake, words):
    with Client("embedded:") as client:
        client.put("there", 1)
        client.int_put("i", 1)
        said = message(lambda: mistake(client))
        assert all(word in said for word in words), said
        assert "::" not in said


def test_raw_clients_say_who_stores_objects():
    with RawClient("embedded:") as client:
        assert "a Client pickles" in message(lambda: client.put("a", {"any": "object"}))


def test_an_option_that_is_none_is_named_with_the_one_that_was_meant():
    for kind in (Client, RawClient, qdb.AsyncClient):
        said = message(lambda kind=kind: kind("embedded:", timout=1))
        assert said.startswith(kind.__name__)
        assert "'timout'" in said
        assert "'timeout'" in said


def test_more_arguments_are_taken_as_in_the_1x_api():
    for kind in (Client, RawClient):
        with kind("embedded:", 1, "more") as client:
            client.put("a", b"1")


def test_a_request_can_be_of_any_class_and_has_the_documented_attributes():
    class Get(BatchRequest):
        __slots__ = ()

        def __init__(self, alias):
            super().__init__(Operations.get_alloc, alias)

    request = Get("a")
    assert request.type == request.op_type == Operations.get_alloc
    request.type = Operations.remove
    assert request.op_type == Operations.remove
    with Client("embedded:") as client:
        client.put("a", 1)
        assert client.run_batch([Get("a")])[1][0].result == 1
        assert client.run_transaction([Get("a")])[0].result == 1


def test_a_request_whose_class_never_says_its_operation_is_named():
    class Odd(BatchRequest):
        def __init__(self):
            self.alias = "a"

    with Client("embedded:") as client:
        for call in (client.run_batch, client.run_transaction):
            assert "request 0 of the batch, a Odd, has no operation" in message(
                lambda call=call: call([Odd()])
            )

    class Own(BatchRequest):
        def __init__(self):
            self.op_type, self.alias = Operations.get_alloc, "a"  # and nothing more

    with Client("embedded:") as client:
        client.put("a", 1)
        assert client.run_batch([Own()])[1][0].result == 1
