# Generated from tests/qdb/_async/test_iteration.py by tools/generate_sync.py; do not edit.

import pytest

from storekit import qdb
from storekit.qdb import Client, ForwardIterator, RawClient, RawForwardIterator
from tests.support.qdb_faults import FaultyEngine


def all_of(entries):
    found = []
    for entry in entries:
        found += [entry]
    return found


def test_iteration_gives_every_entry_once(store):
    with RawClient(store.place) as client:
        expected = {f"n{number}": str(number).encode() for number in range(300)}
        for alias, content in expected.items():
            client.put(alias, content)
        found = all_of(client)
        assert len(found) == 300
        assert dict(found) == expected
        assert isinstance(iter(client), RawForwardIterator)


def test_an_empty_store_has_no_entries(store):
    with RawClient(store.place) as client:
        assert all_of(client) == []


def test_a_client_unpickles_what_it_iterates_over(store):
    with Client(store.place) as client:
        client.put(("a", 1), {"b": 2})
        client.int_put("integer", 5)
        assert isinstance(iter(client), ForwardIterator)
        assert all_of(client) == [(("a", 1), {"b": 2})]


def test_a_value_that_cannot_be_read_does_not_end_the_iteration(store):
    with Client(store.place) as client:
        with RawClient(store.place) as raw:
            raw.update("a", b"not a pickle")
        client.update("b", 1)
        entries, failures, steps = [], 0, iter(client)
        while True:
            try:
                entries.append(next(steps))
            except StopIteration:
                break
            except qdb.UnreadableValue:
                failures += 1
        assert (entries, failures) == ([("b", 1)], 1)


def test_a_chunk_is_one_call_and_the_session_is_closed_at_the_end():
    engine = FaultyEngine({f"{number:03}": b"" for number in range(10)})
    with RawClient("fake", engine=engine) as client:
        before = engine.sessions_open
        assert len(all_of(RawForwardIterator(client, 4))) == 10
        assert engine.calls == 3
        client.put("a", b"")  # a call behind the clean-up
    assert before <= 1
    assert engine.sessions_open == 0


def test_an_iteration_that_is_left_closes_its_session():
    engine = FaultyEngine({f"{number:03}": b"" for number in range(10)})
    with RawClient("fake", engine=engine) as client:
        steps = RawForwardIterator(client, 4)
        next(steps)
        steps.close()
        with pytest.raises(StopIteration):
            next(steps)
        steps = RawForwardIterator(client, 4)
        next(steps)
        del steps
        kept = RawForwardIterator(client, 4)
        next(kept)
    assert engine.sessions_open == 0
    assert engine.clashes == 0


def test_a_step_that_failed_can_be_repeated():
    engine = FaultyEngine({f"{number:03}": b"" for number in range(10)})
    with RawClient("fake", engine=engine) as client:
        steps = RawForwardIterator(client, 4)
        found = [next(steps)]
        engine.fail_next(qdb.ErrorCode.TRY_AGAIN)
        with pytest.raises(qdb.QuasardbException, match="iterate at fake"):
            while True:
                found.append(next(steps))
        found += all_of(steps)
        assert [alias for alias, _ in found] == sorted(engine.entries)
