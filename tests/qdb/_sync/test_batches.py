# Generated from tests/qdb/_async/test_batches.py by tools/generate_sync.py; do not edit.

import datetime

import pytest

from storekit import qdb
from storekit.qdb import BatchRequest, Client, Operations, RawClient
from storekit.qdb.errors import ErrorCode


def test_each_request_has_its_own_result(store):
    with RawClient(store.place) as client:
        for alias in ("a", "b", "c", "d", "e", "f", "g"):
            client.put(alias, alias)
        successes, results = client.run_batch(
            [
                BatchRequest(Operations.get_alloc, "a"),
                BatchRequest(Operations.put, "new", b"1"),
                BatchRequest(Operations.update, "newer", b"2"),
                BatchRequest(Operations.remove, "b"),
                BatchRequest(Operations.cas, "c", b"C", b"c"),
                BatchRequest(Operations.cas, "d", b"D", b"other"),
                BatchRequest(Operations.get_update, "e", b"E"),
                BatchRequest(Operations.get_remove, "f"),
                BatchRequest(Operations.remove_if, "g", comparand=b"g"),
                BatchRequest(Operations.remove_if, "missing", comparand=b"x"),
            ]
        )
        assert [result.error for result in results] == [
            0, 0, 0, 0, 0, ErrorCode.UNMATCHED_CONTENT, 0, 0, 0, ErrorCode.ALIAS_NOT_FOUND,
        ]  # fmt: skip
        assert successes == 8
        assert [result.result for result in results] == [
            b"a", None, None, None, b"c", b"d", b"e", b"f", None, None,
        ]  # fmt: skip
        assert [result.alias for result in results[:2]] == ["a", "new"]
        assert results[1].type == Operations.put
        assert client.get("c") == b"C"
        assert client.prefix_get("f") == []


def test_a_client_pickles_batches(store):
    with Client(store.place) as client:
        requests = [
            BatchRequest(Operations.put, ("k", number), {"n": number}) for number in range(3)
        ]
        requests.append(BatchRequest(Operations.put, "none", None))
        assert client.run_batch(requests)[0] == 4
        successes, results = client.run_batch(
            [BatchRequest(Operations.get_alloc, ("k", 1)), BatchRequest(0, "none")]
        )
        assert successes == 2
        assert [result.result for result in results] == [{"n": 1}, None]
        assert requests[0].content == {"n": 0}


def test_a_result_that_cannot_be_read_leaves_the_others(store):
    with Client(store.place) as client:
        with RawClient(store.place) as raw:
            raw.update("a", b"not a pickle")
        client.update("b", 1)
        successes, results = client.run_batch([BatchRequest(0, "a"), BatchRequest(0, "b")])
        assert (successes, results[1].result) == (1, 1)
        assert isinstance(results[0].failure, qdb.UnreadableValue)


def test_a_malformed_alias_keeps_the_whole_batch_from_being_done(store):
    with RawClient(store.place) as client:
        successes, results = client.run_batch(
            [BatchRequest(Operations.put, "a", b""), BatchRequest(Operations.put, "x" * 1025, b"")]
        )
        assert successes == 0
        assert [result.error for result in results] == [
            ErrorCode.SKIPPED,
            ErrorCode.ALIAS_TOO_LONG,
        ]
        assert client.prefix_get("a") == []


@pytest.mark.parametrize("expiry", [datetime.datetime(2020, 1, 1), -1, float("nan"), 1e300])  # noqa: DTZ001
def test_a_bad_time_is_the_error_of_its_request(store, expiry):
    with RawClient(store.place) as client:
        successes, results = client.run_batch(
            [
                BatchRequest(Operations.put, "a", b"", expiry=expiry),
                BatchRequest(Operations.put, "b", b""),
            ]
        )
        assert successes == 0
        assert [result.error for result in results] == [
            ErrorCode.INVALID_ARGUMENT,
            ErrorCode.SKIPPED,
        ]
        with pytest.raises(qdb.InvalidArgument):
            client.run_transaction([BatchRequest(Operations.put, "a", b"", expiry=expiry)])
        with pytest.raises(TypeError):
            client.run_batch([BatchRequest(Operations.put, "a", b"", expiry="soon")])


@pytest.mark.parametrize(
    ("requests", "error"),
    [
        ([BatchRequest(Operations.uninitialized, "a")], ValueError),
        ([BatchRequest(99, "a")], ValueError),
        ([BatchRequest(Operations.put)], ValueError),
        ([BatchRequest(Operations.get_alloc, "a", b"content")], ValueError),
        ([BatchRequest(Operations.put, "a", b"", b"comparand")], ValueError),
        ([BatchRequest(Operations.put, "a", 5)], TypeError),
        ([BatchRequest(Operations.put, 5, b"")], TypeError),
        (["a"], TypeError),
    ],
)
def test_what_is_no_request_is_refused_and_nothing_done(store, requests, error):
    with RawClient(store.place) as client:
        good = [BatchRequest(Operations.put, "good", b"")]
        with pytest.raises(error):
            client.run_batch(good + requests)
        assert client.prefix_get("good") == []
        assert client.run_batch([]) == (0, [])


def test_a_transaction_is_all_or_nothing(store):
    with RawClient(store.place) as client:
        client.put("taken", b"")
        put = [BatchRequest(Operations.put, "a", b"1"), BatchRequest(Operations.get_alloc, "a")]
        with pytest.raises(qdb.AliasAlreadyExists, match="Request 2") as caught:
            client.run_transaction([*put, BatchRequest(Operations.put, "taken", b"")])
        assert caught.value.alias == "taken"
        assert client.prefix_get("a") == []
        results = client.run_transaction(put)
        assert [result.result for result in results] == [None, b"1"]
        with pytest.raises(ValueError, match="transaction"):
            client.run_transaction([BatchRequest(Operations.get_remove, "a")])
        assert client.run_transaction([]) == []
