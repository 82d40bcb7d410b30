"""Which content and values of QuasarDB are left to a thread."""

import pytest

import storekit.qdb.codec
from storekit.codecs import Json, Pickle, Raw, Zstd
from storekit.codecs.sizes import LARGE
from storekit.qdb import BatchRequest, Client, Operations
from storekit.qdb.codec import STORED, takes_long_to_decode, takes_long_to_encode


@pytest.mark.parametrize("codec", [STORED, Raw()])
def test_a_mere_copy_takes_no_thread(codec):
    assert not takes_long_to_encode(codec, b"x" * LARGE)
    assert not takes_long_to_decode(codec, 100 * LARGE)


@pytest.mark.parametrize("codec", [Json(), Pickle(), Zstd(Raw())])
def test_large_values_and_content_take_one(codec):
    assert takes_long_to_encode(codec, {"rows": [[1, 2]] * 3000})
    assert not takes_long_to_encode(codec, {"rows": [[1, 2]] * 30})
    assert takes_long_to_decode(codec, LARGE)


def test_content_that_is_packed_takes_one_when_it_may_unpack_to_much():
    assert takes_long_to_decode(Zstd(Json()), 2000)
    assert not takes_long_to_decode(Zstd(Json()), 500)
    assert not takes_long_to_decode(Json(), 2000)


def test_clients_without_an_event_loop_do_not_weigh_values(monkeypatch):
    def weigh(value):
        raise AssertionError(value)

    monkeypatch.setattr(storekit.qdb.codec, "is_large", weigh)
    assert takes_long_to_encode(Json(), None) is False  # plain values are not weighed at all
    with pytest.raises(AssertionError):
        takes_long_to_encode(Json(), {"a": 1})
    with Client("embedded:", codec="json") as client:
        client.put("a", {"a": 1})
        client.run_batch([BatchRequest(Operations.update, "a", {"a": 2})])
        assert client.get("a") == {"a": 2}
