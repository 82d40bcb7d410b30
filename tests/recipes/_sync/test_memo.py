# Generated from tests/recipes/_async/test_memo.py by tools/generate_sync.py; do not edit.

"""Functions whose results are kept in the store."""

import pytest

from storekit.codecs import Json
from storekit.core.seam._sync import Event, run_all
from storekit.qdb import Client, ConnectionFailed, ErrorCode
from storekit.recipes import Memoize, memoize
from storekit.recipes.stamped import Stamped, StampedCodec, canonical


class Failures:
    """An observer that keeps the errors of memos."""

    def __init__(self):
        self.errors = []

    def start(self, call):
        return call

    def retry(self, token, event):
        pass

    def end(self, token, event):
        if token.operation == "memoize":
            self.errors.append(event.error)


@pytest.fixture
def failures():
    return Failures()


@pytest.fixture
def client(failures, store):
    with Client(store.place, observers=[failures]) as client:
        yield client


def test_value_is_computed_once(client):
    calls = []

    @memoize(client, ttl=60, beta=0)
    def double(number, *, twice=False):
        """Double it."""
        calls.append(number)
        return number * (4 if twice else 2)

    assert [double(1), double(1), double(2)] == [2, 2, 4]
    assert double(1, twice=True) == 4
    assert calls == [1, 2, 1]
    assert (double.__name__, double.__doc__) == ("double", "Double it.")


def test_none_is_a_value(client):
    calls = []

    @memoize(client, ttl=60, beta=0)
    def nothing():
        calls.append(True)

    assert [nothing(), nothing()] == [None, None]
    assert len(calls) == 1


def test_callers_at_once_share_one_computation(client):
    calls, go_on = [], Event()

    @memoize(client, ttl=60)
    def slow():
        calls.append(True)
        go_on.wait(20)
        return 5

    found = []

    def ask():
        found.append(slow())

    def release():
        go_on.set()

    run_all([*[ask] * 10, release])
    assert found == [5] * 10
    assert len(calls) == 1


def test_exceptions_are_not_stored(client):
    calls = []

    @memoize(client, ttl=60)
    def fails():
        calls.append(True)
        raise KeyError("a")

    for _ in range(2):
        with pytest.raises(KeyError):
            fails()
    assert len(calls) == 2


def test_value_can_be_forgotten(client):
    calls = []

    @memoize(client, ttl=60, beta=0)
    def count(name):
        calls.append(name)
        return len(calls)

    assert not count.invalidate("a")
    assert [count("a"), count("b")] == [1, 2]
    assert count.invalidate("a")
    assert [count("a"), count("b")] == [3, 2]


def test_value_expires_in_the_store(client):
    @memoize(client, ttl=60)
    def one():
        return 1

    one()
    assert client.get_expiry_time(one.alias()) is not None


def test_value_near_its_end_is_computed_anew_by_chance(client, monkeypatch):
    now = [1000.0]
    memo = Memoize(client, ttl=60, clock=lambda: now[0])
    calls = []

    @memo
    def count():
        calls.append(True)
        return len(calls)

    assert count() == 1
    client.update(count.alias(), Stamped(1, 1060.0, 10.0), codec=StampedCodec(client.codec))
    monkeypatch.setattr("random.random", lambda: 0.9)  # 23 s early, of 10 s
    now[0] = 1030.0
    assert count() == 1
    now[0] = 1038.0
    assert count() == 2
    monkeypatch.setattr("random.random", lambda: 0.0)
    now[0] = 1097.9
    assert count() == 2
    now[0] = 1098.1
    assert count() == 3


def test_value_without_a_form_is_returned_and_the_failure_told(client, failures, caplog):
    @memoize(client, ttl=60)
    def odd():
        return lambda: 5

    value = odd()
    assert value() == 5
    assert [type(error) for error in failures.errors] == [TypeError]
    assert "could not be read or stored" in caplog.text


def test_store_that_is_away_does_not_keep_the_function_from_working(client, failures, monkeypatch):
    def fail(*args, **options):
        raise ConnectionFailed(ErrorCode.CONNECTION_RESET)

    @memoize(client, ttl=60)
    def one():
        return 1

    monkeypatch.setattr(client, "get", fail)
    monkeypatch.setattr(client, "update", fail)
    assert one() == 1
    assert len(failures.errors) == 2


def test_entry_that_is_no_memo_is_replaced(client, failures):
    @memoize(client, ttl=60, key=lambda: "mine", beta=0)
    def one():
        return 1

    for content in (b"", b"storekit memo 1 short", b"storekit memo 1 " + b"\xff" * 16 + b"x"):
        client.update("mine", content, codec="raw")
        assert one() == 1
        assert client.get("mine", codec=StampedCodec(client.codec)) is not None
    assert len(failures.errors) == 3


def test_key_makes_the_alias(client):
    @memoize(client, ttl=60, key=lambda user: f"user/{user['id']}")
    def name(user):
        return user["name"]

    assert name({"id": 7, "name": "Ada"}) == "Ada"
    assert client.exists("user/7")

    @memoize(client, ttl=60, key=lambda: 5)
    def wrong():
        return 1

    with pytest.raises(TypeError, match="text, not 5"):
        wrong()


def test_arguments_that_are_not_plain_need_a_key(client):
    @memoize(client, ttl=60)
    def one(thing):
        return 1

    with pytest.raises(TypeError, match="key="):
        one({1, 2})


def test_values_go_by_the_codec_of_the_client():
    with Client("embedded:", codec=Json()) as client:

        @memoize(client, ttl=60, key=lambda: "a", beta=0)
        def one():
            return {"a": [1]}

        assert one() == one() == {"a": [1]}
        assert client.get("a", codec="raw").endswith(b'{"a":[1]}')


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl": 0}, ValueError),
        ({"ttl": "5"}, TypeError),
        ({"ttl": 5, "key": 7}, TypeError),
        ({"ttl": 5, "beta": -1}, ValueError),
    ],
)
def test_what_makes_no_memo_is_refused(client, options, error):
    with pytest.raises(error):
        memoize(client, **options)


def test_equal_arguments_have_one_text_and_others_another():
    assert canonical({"a": 1, "b": (2, None)}) == canonical({"b": (2, None), "a": 1})
    texts = [1, 1.0, True, "1", b"1", None, (1,), [1], (1, 2), ((1,), 2), (1, (2,)), {}, {"1": 1}]
    assert len({canonical(each) for each in texts}) == len(texts)
