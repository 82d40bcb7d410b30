# Generated from tests/qdb/_async/test_many.py by tools/generate_sync.py; do not edit.

"""Whether entries are there, many in one call, and those that are loaded if they are not."""

import datetime
import itertools

import pytest

from storekit.core.seam._sync import Event, run_all
from storekit.errors import CodecError
from storekit.qdb import (
    AliasAlreadyExists,
    AliasTooLong,
    Client,
    IncompatibleType,
    InvalidArgument,
    ManyResult,
    RawClient,
)
from tests.support.qdb_spy import spy_on

DAY = datetime.timedelta(days=1)
LONG = "a" * 1025


def all_of(items):
    found = []
    for item in items:
        found += [item]
    return found


def test_a_default_stands_for_an_entry_that_is_not_there(store):
    with Client(store.place, **store.options) as client:
        assert client.get("a", default=None) is None
        assert client.get("a", default=[]) == []
        assert client.get("a", codec="json", default=3) == 3
        client.put("a", None)
        assert client.get("a", default=1) is None
        with pytest.raises(CodecError):
            client.get("a", codec="json", default=1)
        with pytest.raises(AliasTooLong):
            client.get(LONG, default=1)


def test_whether_an_entry_of_any_type_exists(store):
    with Client(store.place, **store.options) as client:
        client.put(("any", "object"), 1)
        client.int_put("i", 1)
        assert client.exists(("any", "object"))
        assert client.exists("i")
        assert not client.exists("other")
        with pytest.raises(AliasTooLong) as caught:
            client.exists(LONG)
        assert caught.value.operation == "exists"


def test_len_names_the_method_that_counts_and_a_client_is_true(store):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(TypeError, match="prefix_count"):
            len(client)
        assert client


def test_an_entry_is_touched_if_it_is_there(timed_store):
    with RawClient(timed_store.place, **timed_store.options) as client:
        client.put("a", b"1")
        assert client.touch("a", DAY)
        assert client.get_expiry_time("a") is not None
        assert client.touch("a", None)
        assert client.get_expiry_time("a") is None
        assert not client.touch("b", DAY)


@pytest.mark.parametrize("number", [60, 0.5, 86_400 * 365])
def test_a_number_that_was_meant_from_now_names_timedelta(store, number):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(InvalidArgument, match=rf"timedelta\(seconds={number}\)"):
            client.put("a", b"1", number)
        with pytest.raises(InvalidArgument, match=r"since the epoch.*timedelta"):
            client.touch("a", number)


# Many entries


def test_many_entries_are_stored_replaced_fetched_and_removed(store):
    with Client(store.place, **store.options) as client:
        entries = {("entry", number): {"number": number} for number in range(600)}
        assert client.put_many(entries) == ManyResult(600, 0, ())
        assert client.get_many([*entries, "missing"]) == entries
        changed = [(alias, None) for alias in entries] + [("new", 1)]
        assert client.update_many(iter(changed)).ok
        assert client.get_many(["new", ("entry", 599)]) == {"new": 1, ("entry", 599): None}
        assert client.remove_many(entries).done == 600
        assert client.get_many(entries) == {}


def test_what_failed_is_named_and_the_rest_is_done(store):
    with RawClient(store.place, **store.options) as client:
        client.put("there", b"old")
        result = client.put_many([("a", b"1"), ("there", b"2"), (LONG, b"3"), ("b", b"4")])
        assert (result.done, result.failures, result.ok) == (2, 2, False)
        failed = dict(result.failed)
        assert isinstance(failed["there"], AliasAlreadyExists)
        assert isinstance(failed[LONG], AliasTooLong)
        assert {error.operation for error in failed.values()} == {"put_many"}
        assert failed["there"].node == store.name
        assert client.get_many(["a", "b", "there"]) == {"a": b"1", "b": b"4", "there": b"old"}
        with pytest.raises(ExceptionGroup, match="2 of 4") as caught:
            result.raise_for_failures()
        assert len(caught.value.exceptions) == 2
        assert repr(result).startswith("<ManyResult: 2 done, 2 failed: ")
        removed = client.remove_many(["a", "nothing", "b"])
        assert (removed.done, [alias for alias, _ in removed.failed]) == (2, ["nothing"])
        client.remove_many(["there"]).raise_for_failures()


def test_entries_of_any_type_are_removed_together(store):
    with RawClient(store.place, **store.options) as client:
        client.int_put("i", 1)
        client.string_put("s", "x")
        client.put("b", b"x")
        assert client.remove_many(["i", "s", "b"]).done == 3


def test_entries_that_expire_are_stored_together(timed_store):
    with RawClient(timed_store.place, **timed_store.options) as client:
        client.put_many({"a": b"1", "b": b"2"}, DAY)
        timed_store.clock.sleep(25 * 3600 * 1000)
        assert client.get_many(["a", "b"]) == {}


def test_an_entry_that_can_not_be_had_is_an_error_of_get_many(store):
    with RawClient(store.place, **store.options) as client:
        client.put("a", b"1")
        client.int_put("i", 1)
        with pytest.raises(IncompatibleType) as caught:
            client.get_many(["a", "i"])
        assert (caught.value.operation, caught.value.alias) == ("get_many", "i")
        with pytest.raises(CodecError, match="'a'"):
            client.get_many(["a"], codec="pickle")


@pytest.mark.parametrize("one", ["alias", b"alias"])
def test_one_alias_is_not_many(store, one):
    with RawClient(store.place, **store.options) as client:
        for call in (client.get_many, client.remove_many, client.put_many, client.update_many):
            with pytest.raises(TypeError, match=call.__name__):
                call(one)


def test_an_iterator_of_any_length_is_read_as_it_is_stored(store):
    spy = spy_on(store)
    seen = []

    def entries():
        for number in range(1000):
            seen.append(len(spy.calls))
            yield f"{number}", b"x"

    with RawClient(store.place, engine=spy) as client:
        assert client.put_many(entries()).done == 1000
    assert seen[300] == 1
    assert seen[999] == 3


def test_large_contents_travel_in_calls_of_bounded_size(store):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:
        client.put_many((f"{number}", bytes(1 << 20)) for number in range(10))
    assert [len(call.arguments[0]) for call in spy.calls] == [4, 4, 2]


def test_failures_of_an_iterator_are_counted_and_the_first_are_named(store):
    with RawClient(store.place, **store.options) as client:
        result = client.remove_many(f"{number}" for number in range(1500))
        assert (result.done, result.failures, len(result.failed)) == (0, 1500, 1000)
        assert result.failed[0][0] == "0"


def test_what_can_not_be_encoded_ends_the_whole_and_is_raised(store):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(TypeError, match="bytes-like"):
            client.put_many([("a", b"1"), ("b", 5)])
        assert not client.exists("a")


# Iteration


def test_aliases_with_a_prefix_are_those_of_entries_of_all_types(store):
    with Client(store.place, **store.options) as client:
        client.put("p/b", 1)
        client.int_put("p/a", 1)
        client.put("q", 1)
        assert all_of(client.aliases("p/")) == ["p/a", "p/b"]
        assert all_of(client.aliases("z")) == []


def test_all_aliases_come_without_their_contents(store):
    with Client(store.place, **store.options) as client:
        expected = {("n", number) for number in range(300)}
        client.put_many((alias, b"no pickle") for alias in expected)
        client.put("bytes", b"no pickle", codec="raw")
        assert set(all_of(client.aliases())) == expected | {"bytes"}


def test_the_session_of_aliases_is_closed_when_they_are_left_early(store):
    with RawClient(store.place, **store.options) as client:
        client.put_many((f"{number}", b"") for number in range(600))
        aliases = client.aliases()
        first = [next(aliases) for _ in range(3)]
        aliases.close()
        assert len(set(first)) == 3


def test_entries_with_a_prefix_come_in_order_with_their_contents(store):
    with Client(store.place, **store.options) as client:
        client.put_many((f"p{number:03}", number) for number in range(300))
        client.put("q", 1)
        client.int_put("p010.int", 1)
        entries = all_of(client.entries(prefix="p"))
        assert entries == [(f"p{number:03}", number) for number in range(300)]
        assert all_of(client.entries(prefix="p29", codec="raw")) == [
            (f"p29{n}", client.get(f"p29{n}", codec="raw")) for n in range(10)
        ]
        closed = client.entries(prefix="p")
        next(closed)
        closed.close()
        assert all_of(closed) == []


# Loads


def test_what_is_not_there_is_loaded_once_and_stored(store):
    with Client(store.place, **store.options) as client:
        loads = itertools.count(1)

        def load():
            return {"load": next(loads)}

        assert client.get_or_load("a", load) == {"load": 1}
        assert client.get_or_load("a", load) == {"load": 1}
        assert client.get("a") == {"load": 1}
        assert client.get_or_load("j", load, codec="json") == {"load": 2}
        assert client.get("j", codec="json") == {"load": 2}


def test_callers_at_the_same_time_share_one_load(store):
    with Client(store.place, **store.options) as client:
        loads, found, go = [], [], Event()

        def load():
            loads.append(1)
            go.wait()
            return "loaded"

        def ask():
            found.append(client.get_or_load(("the", "entry"), load))

        def release():
            while not loads:
                client.exists("other")
            go.set()

        run_all([ask] * 20 + [release])
        assert found == ["loaded"] * 20
        assert loads == [1]


def test_the_error_of_a_load_is_raised_and_nothing_is_stored(store):
    with Client(store.place, **store.options) as client:

        def fail():
            raise LookupError("nothing to load")

        def load():
            return 1

        with pytest.raises(LookupError, match="nothing to load"):
            client.get_or_load("a", fail)
        assert not client.exists("a")
        assert client.get_or_load("a", load) == 1


def test_what_was_loaded_expires_when_it_is_told_to(timed_store):
    with Client(timed_store.place, **timed_store.options) as client:
        loads = itertools.count(1)

        def load():
            return next(loads)

        assert client.get_or_load("a", load, expiry=DAY) == 1
        timed_store.clock.sleep(25 * 3600 * 1000)
        assert client.get_or_load("a", load, DAY) == 2


def test_a_value_is_no_load_function(store):
    with Client(store.place, **store.options) as client:
        with pytest.raises(TypeError, match="load"):
            client.get_or_load("a", "value")
