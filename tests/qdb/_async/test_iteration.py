import pytest

from storekit import qdb
from storekit.qdb import AsyncClient, AsyncForwardIterator, AsyncRawClient, AsyncRawForwardIterator
from tests.support.qdb_faults import FaultyEngine


async def all_of(entries):
    found = []
    async for entry in entries:
        found += [entry]
    return found


async def test_iteration_gives_every_entry_once(store):
    async with AsyncRawClient(store.place) as client:
        expected = {f"n{number}": str(number).encode() for number in range(300)}
        for alias, content in expected.items():
            await client.put(alias, content)
        found = await all_of(client)
        assert len(found) == 300
        assert dict(found) == expected
        assert isinstance(aiter(client), AsyncRawForwardIterator)


async def test_an_empty_store_has_no_entries(store):
    async with AsyncRawClient(store.place) as client:
        assert await all_of(client) == []


async def test_a_client_unpickles_what_it_iterates_over(store):
    async with AsyncClient(store.place) as client:
        await client.put(("a", 1), {"b": 2})
        await client.int_put("integer", 5)
        assert isinstance(aiter(client), AsyncForwardIterator)
        assert await all_of(client) == [(("a", 1), {"b": 2})]


async def test_a_value_that_cannot_be_read_does_not_end_the_iteration(store):
    async with AsyncClient(store.place) as client:
        async with AsyncRawClient(store.place) as raw:
            await raw.update("a", b"not a pickle")
        await client.update("b", 1)
        entries, failures, steps = [], 0, aiter(client)
        while True:
            try:
                entries.append(await anext(steps))
            except StopAsyncIteration:
                break
            except qdb.UnreadableValue:
                failures += 1
        assert (entries, failures) == ([("b", 1)], 1)


async def test_a_chunk_is_one_call_and_the_session_is_closed_at_the_end():
    engine = FaultyEngine({f"{number:03}": b"" for number in range(10)})
    async with AsyncRawClient("fake", engine=engine) as client:
        before = engine.sessions_open
        assert len(await all_of(AsyncRawForwardIterator(client, 4))) == 10
        assert engine.calls == 3
        await client.put("a", b"")  # a call behind the clean-up
    assert before <= 1
    assert engine.sessions_open == 0


async def test_an_iteration_that_is_left_closes_its_session():
    engine = FaultyEngine({f"{number:03}": b"" for number in range(10)})
    async with AsyncRawClient("fake", engine=engine) as client:
        steps = AsyncRawForwardIterator(client, 4)
        await anext(steps)
        await steps.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(steps)
        steps = AsyncRawForwardIterator(client, 4)
        await anext(steps)
        del steps
        kept = AsyncRawForwardIterator(client, 4)
        await anext(kept)
    assert engine.sessions_open == 0
    assert engine.clashes == 0


async def test_a_step_that_failed_can_be_repeated():
    engine = FaultyEngine({f"{number:03}": b"" for number in range(10)})
    async with AsyncRawClient("fake", engine=engine) as client:
        steps = AsyncRawForwardIterator(client, 4)
        found = [await anext(steps)]
        engine.fail_next(qdb.ErrorCode.TRY_AGAIN)
        with pytest.raises(qdb.QuasardbException, match="iterate at fake"):
            while True:
                found.append(await anext(steps))
        found += await all_of(steps)
        assert [alias for alias, _ in found] == sorted(engine.entries)
