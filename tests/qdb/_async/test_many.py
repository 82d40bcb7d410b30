"""Whether entries are there, many in one call, and those that are loaded if they are not."""

import datetime
import itertools

import pytest

from storekit.core.seam._async import Event, run_all
from storekit.errors import CodecError
from storekit.qdb import (
    AliasAlreadyExists,
    AliasTooLong,
    AsyncClient,
    AsyncRawClient,
    IncompatibleType,
    InvalidArgument,
    ManyResult,
)
from tests.support.qdb_spy import spy_on

DAY = datetime.timedelta(days=1)
LONG = "a" * 1025


async def all_of(items):
    found = []
    async for item in items:
        found += [item]
    return found


async def test_a_default_stands_for_an_entry_that_is_not_there(store):
    async with AsyncClient(store.place, **store.options) as client:
        assert await client.get("a", default=None) is None
        assert await client.get("a", default=[]) == []
        assert await client.get("a", codec="json", default=3) == 3
        await client.put("a", None)
        assert await client.get("a", default=1) is None
        with pytest.raises(CodecError):
            await client.get("a", codec="json", default=1)
        with pytest.raises(AliasTooLong):
            await client.get(LONG, default=1)


async def test_whether_an_entry_of_any_type_exists(store):
    async with AsyncClient(store.place, **store.options) as client:
        await client.put(("any", "object"), 1)
        await client.int_put("i", 1)
        assert await client.exists(("any", "object"))
        assert await client.exists("i")
        assert not await client.exists("other")
        with pytest.raises(AliasTooLong) as caught:
            await client.exists(LONG)
        assert caught.value.operation == "exists"


async def test_len_names_the_method_that_counts_and_a_client_is_true(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(TypeError, match="prefix_count"):
            len(client)
        assert client


async def test_an_entry_is_touched_if_it_is_there(timed_store):
    async with AsyncRawClient(timed_store.place, **timed_store.options) as client:
        await client.put("a", b"1")
        assert await client.touch("a", DAY)
        assert await client.get_expiry_time("a") is not None
        assert await client.touch("a", None)
        assert await client.get_expiry_time("a") is None
        assert not await client.touch("b", DAY)


@pytest.mark.parametrize("number", [60, 0.5, 86_400 * 365])
async def test_a_number_that_was_meant_from_now_names_timedelta(store, number):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(InvalidArgument, match=rf"timedelta\(seconds={number}\)"):
            await client.put("a", b"1", number)
        with pytest.raises(InvalidArgument, match=r"since the epoch.*timedelta"):
            await client.touch("a", number)


# Many entries


async def test_many_entries_are_stored_replaced_fetched_and_removed(store):
    async with AsyncClient(store.place, **store.options) as client:
        entries = {("entry", number): {"number": number} for number in range(600)}
        assert await client.put_many(entries) == ManyResult(600, 0, ())
        assert await client.get_many([*entries, "missing"]) == entries
        changed = [(alias, None) for alias in entries] + [("new", 1)]
        assert (await client.update_many(iter(changed))).ok
        assert await client.get_many(["new", ("entry", 599)]) == {"new": 1, ("entry", 599): None}
        assert (await client.remove_many(entries)).done == 600
        assert await client.get_many(entries) == {}


async def test_what_failed_is_named_and_the_rest_is_done(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        await client.put("there", b"old")
        result = await client.put_many([("a", b"1"), ("there", b"2"), (LONG, b"3"), ("b", b"4")])
        assert (result.done, result.failures, result.ok) == (2, 2, False)
        failed = dict(result.failed)
        assert isinstance(failed["there"], AliasAlreadyExists)
        assert isinstance(failed[LONG], AliasTooLong)
        assert {error.operation for error in failed.values()} == {"put_many"}
        assert failed["there"].node == store.name
        assert await client.get_many(["a", "b", "there"]) == {"a": b"1", "b": b"4", "there": b"old"}
        with pytest.raises(ExceptionGroup, match="2 of 4") as caught:
            result.raise_for_failures()
        assert len(caught.value.exceptions) == 2
        assert repr(result).startswith("<ManyResult: 2 done, 2 failed: ")
        removed = await client.remove_many(["a", "nothing", "b"])
        assert (removed.done, [alias for alias, _ in removed.failed]) == (2, ["nothing"])
        (await client.remove_many(["there"])).raise_for_failures()


async def test_entries_of_any_type_are_removed_together(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        await client.int_put("i", 1)
        await client.string_put("s", "x")
        await client.put("b", b"x")
        assert (await client.remove_many(["i", "s", "b"])).done == 3


async def test_entries_that_expire_are_stored_together(timed_store):
    async with AsyncRawClient(timed_store.place, **timed_store.options) as client:
        await client.put_many({"a": b"1", "b": b"2"}, DAY)
        timed_store.clock.sleep(25 * 3600 * 1000)
        assert await client.get_many(["a", "b"]) == {}


async def test_an_entry_that_can_not_be_had_is_an_error_of_get_many(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        await client.put("a", b"1")
        await client.int_put("i", 1)
        with pytest.raises(IncompatibleType) as caught:
            await client.get_many(["a", "i"])
        assert (caught.value.operation, caught.value.alias) == ("get_many", "i")
        with pytest.raises(CodecError, match="'a'"):
            await client.get_many(["a"], codec="pickle")


@pytest.mark.parametrize("one", ["alias", b"alias"])
async def test_one_alias_is_not_many(store, one):
    async with AsyncRawClient(store.place, **store.options) as client:
        for call in (client.get_many, client.remove_many, client.put_many, client.update_many):
            with pytest.raises(TypeError, match=call.__name__):
                await call(one)


async def test_an_iterator_of_any_length_is_read_as_it_is_stored(store):
    spy = spy_on(store)
    seen = []

    def entries():
        for number in range(1000):
            seen.append(len(spy.calls))
            yield f"{number}", b"x"

    async with AsyncRawClient(store.place, engine=spy) as client:
        assert (await client.put_many(entries())).done == 1000
    assert seen[300] == 1
    assert seen[999] == 3


async def test_large_contents_travel_in_calls_of_bounded_size(store):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:
        await client.put_many((f"{number}", bytes(1 << 20)) for number in range(10))
    assert [len(call.arguments[0]) for call in spy.calls] == [4, 4, 2]


async def test_failures_of_an_iterator_are_counted_and_the_first_are_named(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        result = await client.remove_many(f"{number}" for number in range(1500))
        assert (result.done, result.failures, len(result.failed)) == (0, 1500, 1000)
        assert result.failed[0][0] == "0"


async def test_what_can_not_be_encoded_ends_the_whole_and_is_raised(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(TypeError, match="bytes-like"):
            await client.put_many([("a", b"1"), ("b", 5)])
        assert not await client.exists("a")


# Iteration


async def test_aliases_with_a_prefix_are_those_of_entries_of_all_types(store):
    async with AsyncClient(store.place, **store.options) as client:
        await client.put("p/b", 1)
        await client.int_put("p/a", 1)
        await client.put("q", 1)
        assert await all_of(client.aliases("p/")) == ["p/a", "p/b"]
        assert await all_of(client.aliases("z")) == []


async def test_all_aliases_come_without_their_contents(store):
    async with AsyncClient(store.place, **store.options) as client:
        expected = {("n", number) for number in range(300)}
        await client.put_many((alias, b"no pickle") for alias in expected)
        await client.put("bytes", b"no pickle", codec="raw")
        assert set(await all_of(client.aliases())) == expected | {"bytes"}


async def test_the_session_of_aliases_is_closed_when_they_are_left_early(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        await client.put_many((f"{number}", b"") for number in range(600))
        aliases = client.aliases()
        first = [await anext(aliases) for _ in range(3)]
        await aliases.aclose()
        assert len(set(first)) == 3


async def test_entries_with_a_prefix_come_in_order_with_their_contents(store):
    async with AsyncClient(store.place, **store.options) as client:
        await client.put_many((f"p{number:03}", number) for number in range(300))
        await client.put("q", 1)
        await client.int_put("p010.int", 1)
        entries = await all_of(client.entries(prefix="p"))
        assert entries == [(f"p{number:03}", number) for number in range(300)]
        assert await all_of(client.entries(prefix="p29", codec="raw")) == [
            (f"p29{n}", await client.get(f"p29{n}", codec="raw")) for n in range(10)
        ]
        closed = client.entries(prefix="p")
        await anext(closed)
        await closed.aclose()
        assert await all_of(closed) == []


# Loads


async def test_what_is_not_there_is_loaded_once_and_stored(store):
    async with AsyncClient(store.place, **store.options) as client:
        loads = itertools.count(1)

        async def load():
            return {"load": next(loads)}

        assert await client.get_or_load("a", load) == {"load": 1}
        assert await client.get_or_load("a", load) == {"load": 1}
        assert await client.get("a") == {"load": 1}
        assert await client.get_or_load("j", load, codec="json") == {"load": 2}
        assert await client.get("j", codec="json") == {"load": 2}


async def test_callers_at_the_same_time_share_one_load(store):
    async with AsyncClient(store.place, **store.options) as client:
        loads, found, go = [], [], Event()

        async def load():
            loads.append(1)
            await go.wait()
            return "loaded"

        async def ask():
            found.append(await client.get_or_load(("the", "entry"), load))

        async def release():
            while not loads:
                await client.exists("other")
            go.set()

        await run_all([ask] * 20 + [release])
        assert found == ["loaded"] * 20
        assert loads == [1]


async def test_the_error_of_a_load_is_raised_and_nothing_is_stored(store):
    async with AsyncClient(store.place, **store.options) as client:

        async def fail():
            raise LookupError("nothing to load")

        async def load():
            return 1

        with pytest.raises(LookupError, match="nothing to load"):
            await client.get_or_load("a", fail)
        assert not await client.exists("a")
        assert await client.get_or_load("a", load) == 1


async def test_what_was_loaded_expires_when_it_is_told_to(timed_store):
    async with AsyncClient(timed_store.place, **timed_store.options) as client:
        loads = itertools.count(1)

        async def load():
            return next(loads)

        assert await client.get_or_load("a", load, expiry=DAY) == 1
        timed_store.clock.sleep(25 * 3600 * 1000)
        assert await client.get_or_load("a", load, DAY) == 2


async def test_a_value_is_no_load_function(store):
    async with AsyncClient(store.place, **store.options) as client:
        with pytest.raises(TypeError, match="load"):
            await client.get_or_load("a", "value")
