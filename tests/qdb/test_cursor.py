"""A walk over a store, whoever closes it when."""

import threading

import pytest

from storekit.errors import ClientClosed
from storekit.qdb.cursor import Cursor
from tests.support.qdb_faults import FaultyEngine


@pytest.fixture
def engine():
    return FaultyEngine({f"{number}": b"" for number in range(5)})


def test_chunks_come_one_after_the_other_and_the_last_once_more(engine):
    scan = Cursor(engine.connect())
    first = scan.fetch(1, 2)
    assert scan.fetch(1, 2) == first == ([("0", b""), ("1", b"")], False)
    scan.fetch(2, 2)
    last = scan.fetch(3, 2)
    assert scan.fetch(3, 2) == last == ([("4", b"")], True)
    assert engine.calls == 3
    scan.close()
    assert engine.sessions_open == 0


def test_a_walk_that_was_closed_does_not_look_as_if_it_had_ended(engine):
    scan = Cursor(engine.connect())
    scan.fetch(1, 2)
    scan.close()
    for number in (1, 2):
        with pytest.raises(ClientClosed):
            scan.fetch(number, 2)
    assert engine.sessions_open == 0


def test_a_session_is_closed_once(engine):
    session = engine.connect()
    scan = Cursor(session)
    scan.close()
    session.close = None  # what is called now would fail
    scan.close()


def test_a_chunk_that_is_under_way_is_given_out_and_then_the_session_closes(engine):
    scan = Cursor(engine.connect())
    engine.gate.clear()
    fetched = []
    thread = threading.Thread(target=lambda: fetched.append(scan.fetch(1, 2)))
    thread.start()
    assert engine.arrived.acquire(timeout=10)
    scan.close()
    assert engine.sessions_open == 1
    engine.gate.set()
    thread.join(10)
    assert fetched == [([("0", b""), ("1", b"")], False)]
    assert (engine.sessions_open, engine.clashes) == (0, 0)
