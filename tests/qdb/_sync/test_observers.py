# Generated from tests/qdb/_async/test_observers.py by tools/generate_sync.py; do not edit.

import logging

import pytest

from storekit import qdb
from storekit.errors import ClientClosed, CodecError
from storekit.observers import CallStarted, LoggingObserver
from storekit.options import RetryPolicy
from storekit.qdb import RawClient, RawForwardIterator
from tests.support.qdb_faults import FaultyEngine

PLACE = "embedded:"
QUICK = RetryPolicy(attempts=3, initial_backoff=0)


class Recorder:
    def __init__(self):
        self.events = []

    def start(self, event):
        self.events.append(("start", event.store, event.operation, event.node, event.key))
        return event

    def retry(self, token, event):
        assert token is event.call
        self.events.append(("retry", event.attempt, type(event.error), event.node))

    def end(self, token, event):
        assert token is event.call
        assert event.duration >= 0
        self.events.append(("end", type(event.error), event.attempts, event.node))


def test_observers_are_told_of_start_and_end():
    first, second = Recorder(), Recorder()
    with RawClient(PLACE, observers=[first, second]) as client:
        client.put("a", b"1")
        client.get("a")
        with pytest.raises(qdb.AliasNotFound):
            client.get("b")
    assert first.events == [
        ("start", "qdb", "put", PLACE, "a"),
        ("end", type(None), 1, PLACE),
        ("start", "qdb", "get", PLACE, "a"),
        ("end", type(None), 1, PLACE),
        ("start", "qdb", "get", PLACE, "b"),
        ("end", qdb.AliasNotFound, 1, PLACE),
    ]
    assert second.events == first.events


def test_observers_are_told_of_attempts_that_failed():
    seen = Recorder()
    engine = FaultyEngine()
    with RawClient(PLACE, engine=engine, observers=[seen], retry=QUICK) as client:
        client.put("a", b"1")
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET, times=2)
        client.get("a")
    assert seen.events[2:] == [
        ("start", "qdb", "get", PLACE, "a"),
        ("retry", 1, qdb.ConnectionFailed, PLACE),
        ("retry", 2, qdb.ConnectionFailed, PLACE),
        ("end", type(None), 3, PLACE),
    ]


def test_failing_observer_changes_nothing_and_is_logged(caplog):
    class Broken:
        def start(self, event):
            raise RuntimeError("start")

        def retry(self, token, event):
            raise RuntimeError("retry")

        def end(self, token, event):
            assert token is None
            raise RuntimeError("end")

    seen = Recorder()
    with RawClient(PLACE, observers=[Broken(), seen]) as client:
        client.put("a", b"1")
    assert len(seen.events) == 2
    assert [record.message for record in caplog.records] == ["an observer failed"] * 2


def test_log_has_calls_and_no_contents(caplog):
    caplog.set_level(logging.DEBUG)
    with RawClient(PLACE, observers=[LoggingObserver()]) as client:
        client.put("a", b"secret")
        with pytest.raises(qdb.AliasNotFound):
            client.get("b")
    levels = [(record.levelname, record.message.split(":")[0]) for record in caplog.records]
    assert levels == [("DEBUG", "qdb put 'a' at embedded"), ("WARNING", "qdb get 'b' at embedded")]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("observers", [[object()], [CallStarted]])
def test_what_is_no_observer_is_refused(observers):
    with pytest.raises(TypeError, match="start, retry and end"):
        RawClient(PLACE, observers=observers)


def test_observers_are_told_of_connecting():
    seen = Recorder()
    engine = FaultyEngine()
    with RawClient(PLACE, engine=engine, observers=[seen]) as client:
        client.connect()
        client.close()
        with pytest.raises(ClientClosed):
            client.connect()
    assert seen.events == [
        ("start", "qdb", "connect", PLACE, None),
        ("end", type(None), 1, PLACE),
        ("start", "qdb", "connect", PLACE, None),
        ("end", qdb.StoreClosed, 1, PLACE),
    ]


def test_observers_are_told_of_each_chunk_of_an_iteration():
    seen = Recorder()
    engine = FaultyEngine({f"{number}": b"" for number in range(3)})
    with RawClient(PLACE, engine=engine, observers=[seen]) as client:
        steps = RawForwardIterator(client, 2)
        engine.fail_next(qdb.ErrorCode.TRY_AGAIN)
        with pytest.raises(qdb.QuasardbException):
            next(steps)
        for _ in steps:
            pass
    start = ("start", "qdb", "iterate", PLACE, None)
    assert seen.events == [
        start,
        ("end", qdb.ConnectionFailed, 1, PLACE),
        *[start, ("end", type(None), 1, PLACE)] * 2,
    ]


def test_value_that_cannot_be_read_is_told_as_a_failure():
    seen = Recorder()
    with RawClient(PLACE, observers=[seen], retry=QUICK) as client:

        def get_update():
            client.get_update("a", {}, codec="json")

        def compare_and_swap():
            client.compare_and_swap("a", {}, 1, codec="json")

        calls = {
            "get": lambda: client.get("a", codec="json"),
            "get_update": get_update,
            "compare_and_swap": compare_and_swap,
            "get_remove": lambda: client.get_remove("a", codec="json"),
        }
        for operation, call in calls.items():
            client.update("a", b"{")
            seen.events.clear()
            with pytest.raises(CodecError, match="key 'a'"):
                call()
            assert seen.events == [
                ("start", "qdb", operation, PLACE, "a"),
                ("end", CodecError, 1, PLACE),
            ]


def test_value_that_is_read_is_told_as_a_success():
    seen = Recorder()
    with RawClient(PLACE, observers=[seen]) as client:
        client.put("a", [1], codec="json")
        assert client.get("a", codec="json") == [1]
        assert client.get_update("a", [2], codec="json") == [1]
        assert client.compare_and_swap("a", [3], [2], codec="json") == [2]
        assert client.compare_and_swap("a", [4], [2], codec="json") == [3]
        assert client.get_remove("a", codec="json") == [3]
    ends = [event for event in seen.events if event[0] == "end"]
    assert ends == [("end", type(None), 1, PLACE)] * 6


def test_get_of_a_value_is_repeated_while_observers_watch():
    seen = Recorder()
    engine = FaultyEngine()
    with RawClient(PLACE, engine=engine, observers=[seen], retry=QUICK) as client:
        client.put("a", [1], codec="json")
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET)
        assert client.get("a", codec="json") == [1]
    assert seen.events[-1] == ("end", type(None), 2, PLACE)


@pytest.mark.parametrize("alias", ["", "a\0", "x" * 1025, "é" * 513, "..a", 7])
def test_call_with_a_wrong_alias_has_not_begun(alias):
    seen = Recorder()
    with RawClient(PLACE, observers=[seen]) as client:
        with pytest.raises((TypeError, qdb.InvalidArgument)):
            client.put(alias, b"")
    assert seen.events == []


def test_a_default_for_what_is_not_there_is_no_failure():
    seen = Recorder()
    with RawClient(PLACE, observers=[seen]) as client:
        assert client.get("a", default=b"-") == b"-"
    assert seen.events[1] == ("end", type(None), 1, PLACE)
