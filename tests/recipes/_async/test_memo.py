"""Functions whose results are kept in the store."""

import pytest

from storekit.codecs import Json
from storekit.core.seam._async import Event, run_all
from storekit.qdb import AsyncClient, ConnectionFailed, ErrorCode
from storekit.recipes import AsyncMemoize, memoize
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
async def client(failures, store):
    async with AsyncClient(store.place, observers=[failures]) as client:
        yield client


async def test_value_is_computed_once(client):
    calls = []

    @memoize(client, ttl=60, beta=0)
    async def double(number, *, twice=False):
        """Double it."""
        calls.append(number)
        return number * (4 if twice else 2)

    assert [await double(1), await double(1), await double(2)] == [2, 2, 4]
    assert await double(1, twice=True) == 4
    assert calls == [1, 2, 1]
    assert (double.__name__, double.__doc__) == ("double", "Double it.")


async def test_none_is_a_value(client):
    calls = []

    @memoize(client, ttl=60, beta=0)
    async def nothing():
        calls.append(True)

    assert [await nothing(), await nothing()] == [None, None]
    assert len(calls) == 1


async def test_callers_at_once_share_one_computation(client):
    calls, go_on = [], Event()

    @memoize(client, ttl=60)
    async def slow():
        calls.append(True)
        await go_on.wait(20)
        return 5

    found = []

    async def ask():
        found.append(await slow())

    async def release():
        go_on.set()

    await run_all([*[ask] * 10, release])
    assert found == [5] * 10
    assert len(calls) == 1


async def test_exceptions_are_not_stored(client):
    calls = []

    @memoize(client, ttl=60)
    async def fails():
        calls.append(True)
        raise KeyError("a")

    for _ in range(2):
        with pytest.raises(KeyError):
            await fails()
    assert len(calls) == 2


async def test_value_can_be_forgotten(client):
    calls = []

    @memoize(client, ttl=60, beta=0)
    async def count(name):
        calls.append(name)
        return len(calls)

    assert not await count.invalidate("a")
    assert [await count("a"), await count("b")] == [1, 2]
    assert await count.invalidate("a")
    assert [await count("a"), await count("b")] == [3, 2]


async def test_value_expires_in_the_store(client):
    @memoize(client, ttl=60)
    async def one():
        return 1

    await one()
    assert await client.get_expiry_time(one.alias()) is not None


async def test_value_near_its_end_is_computed_anew_by_chance(client, monkeypatch):
    now = [1000.0]
    memo = AsyncMemoize(client, ttl=60, clock=lambda: now[0])
    calls = []

    @memo
    async def count():
        calls.append(True)
        return len(calls)

    assert await count() == 1
    await client.update(count.alias(), Stamped(1, 1060.0, 10.0), codec=StampedCodec(client.codec))
    monkeypatch.setattr("random.random", lambda: 0.9)  # 23 s early, of 10 s
    now[0] = 1030.0
    assert await count() == 1
    now[0] = 1038.0
    assert await count() == 2
    monkeypatch.setattr("random.random", lambda: 0.0)
    now[0] = 1097.9
    assert await count() == 2
    now[0] = 1098.1
    assert await count() == 3


async def test_value_without_a_form_is_returned_and_the_failure_told(client, failures, caplog):
    @memoize(client, ttl=60)
    async def odd():
        return lambda: 5

    value = await odd()
    assert value() == 5
    assert [type(error) for error in failures.errors] == [TypeError]
    assert "could not be read or stored" in caplog.text


async def test_store_that_is_away_does_not_keep_the_function_from_working(
    client, failures, monkeypatch
):
    async def fail(*args, **options):
        raise ConnectionFailed(ErrorCode.CONNECTION_RESET)

    @memoize(client, ttl=60)
    async def one():
        return 1

    monkeypatch.setattr(client, "get", fail)
    monkeypatch.setattr(client, "update", fail)
    assert await one() == 1
    assert len(failures.errors) == 2


async def test_entry_that_is_no_memo_is_replaced(client, failures):
    @memoize(client, ttl=60, key=lambda: "mine", beta=0)
    async def one():
        return 1

    for content in (b"", b"storekit memo 1 short", b"storekit memo 1 " + b"\xff" * 16 + b"x"):
        await client.update("mine", content, codec="raw")
        assert await one() == 1
        assert await client.get("mine", codec=StampedCodec(client.codec)) is not None
    assert len(failures.errors) == 3


async def test_key_makes_the_alias(client):
    @memoize(client, ttl=60, key=lambda user: f"user/{user['id']}")
    async def name(user):
        return user["name"]

    assert await name({"id": 7, "name": "Ada"}) == "Ada"
    assert await client.exists("user/7")

    @memoize(client, ttl=60, key=lambda: 5)
    async def wrong():
        return 1

    with pytest.raises(TypeError, match="text, not 5"):
        await wrong()


async def test_arguments_that_are_not_plain_need_a_key(client):
    @memoize(client, ttl=60)
    async def one(thing):
        return 1

    with pytest.raises(TypeError, match="key="):
        await one({1, 2})


async def test_values_go_by_the_codec_of_the_client():
    async with AsyncClient("embedded:", codec=Json()) as client:

        @memoize(client, ttl=60, key=lambda: "a", beta=0)
        async def one():
            return {"a": [1]}

        assert await one() == await one() == {"a": [1]}
        assert (await client.get("a", codec="raw")).endswith(b'{"a":[1]}')


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl": 0}, ValueError),
        ({"ttl": "5"}, TypeError),
        ({"ttl": 5, "key": 7}, TypeError),
        ({"ttl": 5, "beta": -1}, ValueError),
    ],
)
async def test_what_makes_no_memo_is_refused(client, options, error):
    with pytest.raises(error):
        memoize(client, **options)


def test_equal_arguments_have_one_text_and_others_another():
    assert canonical({"a": 1, "b": (2, None)}) == canonical({"b": (2, None), "a": 1})
    texts = [1, 1.0, True, "1", b"1", None, (1,), [1], (1, 2), ((1,), 2), (1, (2,)), {}, {"1": 1}]
    assert len({canonical(each) for each in texts}) == len(texts)
