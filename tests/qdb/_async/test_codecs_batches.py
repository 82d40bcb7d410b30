"""Codecs in batches, transactions and iteration."""

import pytest

from storekit import CodecError
from storekit.codecs import Json, Msgpack, Raw, Signed, Text, Zstd
from storekit.qdb import (
    AsyncClient,
    AsyncForwardIterator,
    AsyncRawClient,
    AsyncRawForwardIterator,
    BatchRequest,
    Operations,
)
from tests.qdb._async.coded import ADA, KEY, User, collect


async def test_batches_use_the_codec_of_the_client_or_their_own(store):
    async with AsyncClient(store.place, codec=Json(User)) as client:
        successes, _ = await client.run_batch(
            [BatchRequest(Operations.put, ("k", number), User("n", number)) for number in range(3)]
        )
        assert successes == 3
        get = [BatchRequest(Operations.get_alloc, ("k", 1))]
        assert (await client.run_batch(get))[1][0].result == User("n", 1)
        assert (await client.run_batch(get, codec=Json()))[1][0].result == {"name": "n", "age": 1}
        assert (await client.run_batch(get, codec="text"))[1][0].result == '{"name":"n","age":1}'
        successes, results = await client.run_batch(
            [
                BatchRequest(Operations.put, "t", "new"),
                BatchRequest(Operations.get_update, ("k", 0), "other"),
                BatchRequest(Operations.cas, ("k", 1), "other", '{"name":"n","age":1}'),
                BatchRequest(Operations.cas, ("k", 2), "other", "differs"),
            ],
            codec=Text(),
        )
        assert [each.result for each in results] == [
            None,
            '{"name":"n","age":0}',
            '{"name":"n","age":1}',
            '{"name":"n","age":2}',
        ]
        assert await client.get("t", codec="text") == "new"
        with pytest.raises(TypeError, match="json is for User"):
            await client.run_batch([BatchRequest(Operations.put, "none")])


@pytest.mark.parametrize("codec", [Json(), Msgpack(User), Zstd(Raw()), Signed(Raw(), keys=KEY)])
async def test_an_unreadable_result_of_a_batch_leaves_the_others(store, codec):
    async with AsyncClient(store.place) as client, AsyncRawClient(store.place) as raw:
        good = ADA if isinstance(codec, Msgpack) else {"a": 1} if isinstance(codec, Json) else b"b"
        await raw.put("bad", b"\xc1 no such content")
        await client.put("good", good, codec=codec)
        requests = [BatchRequest(Operations.get_alloc, alias) for alias in ("bad", "good")]
        for results in (
            (await client.run_batch(requests, codec=codec))[1],
            await client.run_transaction(requests, codec=codec),
        ):
            assert [each.ok for each in results] == [False, True]
            assert results[1].result == good
            assert isinstance(results[0].failure, CodecError)
            assert results[0].failure.key == "bad"
            assert results[0].failure.codec == codec.name


async def test_transactions_use_the_codec_of_the_client_or_their_own(store):
    async with AsyncClient(store.place, codec="msgpack") as client:
        put_and_get = [BatchRequest(Operations.put, "a", [1]), BatchRequest(0, "a")]
        assert [each.result for each in await client.run_transaction(put_and_get)] == [None, [1]]
        update = [BatchRequest(Operations.update, "a", [2]), BatchRequest(0, "a")]
        results = await client.run_transaction(update, codec=Json(list[int]))
        assert [each.result for each in results] == [None, [2]]
        assert await client.get("a", codec="text") == "[2]"


async def test_iteration_uses_the_codec_of_the_client_or_its_own(store):
    async with AsyncClient(store.place, codec=Json(User)) as client:
        await client.put(("a", 1), ADA)
        await client.put("b", User("Bo"))
        assert await collect(client) == {("a", 1): ADA, "b": User("Bo")}
        assert await collect(client.entries()) == {("a", 1): ADA, "b": User("Bo")}
        text = {("a", 1): '{"name":"Ada","age":36}', "b": '{"name":"Bo","age":0}'}
        assert await collect(client.entries(codec=Text())) == text
        assert await collect(AsyncForwardIterator(client, 1, codec="text")) == text
        assert isinstance(client.entries(), AsyncForwardIterator)
        async with AsyncRawClient(store.place) as raw:
            assert (await collect(raw.entries(codec=Json(User))))["b"] == User("Bo")
            assert (await collect(raw.entries()))["b"] == text["b"].encode()
            assert (await collect(AsyncRawForwardIterator(raw, codec="text")))["b"] == text["b"]
            assert not isinstance(raw.entries(codec="json"), AsyncForwardIterator)


async def test_an_unreadable_entry_does_not_end_the_iteration(store):
    async with AsyncClient(store.place, codec=Json(User)) as client:
        await client.put("a", "no JSON", codec="text")
        await client.put("b", ADA)
        entries, failures, steps = [], [], aiter(client)
        while True:
            try:
                entries.append(await anext(steps))
            except StopAsyncIteration:
                break
            except CodecError as error:
                failures.append((error.codec, error.key))
        assert (entries, failures) == ([("b", ADA)], [("json", "a")])
