import datetime
import uuid

import pytest

from storekit import qdb
from storekit.errors import ClientClosed
from storekit.options import PoolLimits, RetryPolicy
from storekit.qdb import AsyncClient, AsyncRawClient
from storekit.qdb.engine import LONGEST_TIMEOUT
from tests.support.qdb_clusters import redirected
from tests.support.qdb_faults import FaultyEngine

UTC = datetime.UTC


async def test_what_is_put_is_got(store):
    async with AsyncRawClient(store.place) as client:
        await client.put("alias", b"content")
        assert await client.get("alias") == b"content"
        assert bytes(await client.get_view("alias")) == b"content"
        await client.update("alias", "té")
        assert await client.get(b"alias") == "té".encode()
        with pytest.raises(qdb.AliasAlreadyExists):
            await client.put("alias", b"")


@pytest.mark.parametrize("content", [b"", bytearray(b"ab"), memoryview(b"ab"), b"x" * 3_000_000])
async def test_content_comes_back_as_bytes(store, content):
    async with AsyncRawClient(store.place) as client:
        await client.put("a", content)
        got = await client.get("a")
        assert type(got) is bytes
        assert got == bytes(content)


async def test_changes_in_one_step(store):
    async with AsyncRawClient(store.place) as client:
        await client.put("a", b"1")
        assert await client.get_update("a", b"2") == b"1"
        assert await client.compare_and_swap("a", b"3", b"other") == b"2"
        assert await client.compare_and_swap("a", b"3", b"2") == b"2"
        with pytest.raises(qdb.UnmatchedContent):
            await client.remove_if("a", b"2")
        assert await client.get("a") == b"3"
        await client.remove_if("a", b"3")
        await client.put("a", b"4")
        assert await client.get_remove("a") == b"4"
        with pytest.raises(qdb.AliasNotFound):
            await client.remove("a")


async def test_expiry_is_given_and_told_in_utc(store):
    async with AsyncRawClient(store.place) as client:
        zone = datetime.timezone(datetime.timedelta(hours=5))
        moment = datetime.datetime(2190, 1, 1, 12, 0, 0, 123_000, tzinfo=zone)
        await client.put("a", b"", moment)
        expiry = await client.get_expiry_time("a")
        assert expiry == moment
        assert expiry.tzinfo is qdb.tz
        await client.expires_at("a", datetime.datetime(2190, 1, 1))  # noqa: DTZ001 - naive means UTC
        assert await client.get_expiry_time("a") == datetime.datetime(2190, 1, 1, tzinfo=UTC)
        await client.expires_at("a", None)
        assert await client.get_expiry_time("a") is None
        await client.expires_from_now("a", 60)
        left = await client.get_expiry_time("a") - datetime.datetime.now(UTC)
        assert datetime.timedelta(seconds=50) < left <= datetime.timedelta(seconds=60)
        await client.update("a", b"")
        assert await client.get_expiry_time("a") is None
        assert (await client.get_metadata("a")).expiry is None


async def test_aliases_are_found(store):
    async with AsyncClient(store.place) as client:
        for alias in ("ab1", "ab2", "b1"):
            await client.put(alias, 1)
        assert await client.prefix_get("ab") == ["ab1", "ab2"]
        assert await client.prefix_get("none") == []
        assert await client.prefix_count("ab") == 2
        assert sorted(await client.suffix_get("1")) == ["ab1", "b1"]
        assert len(await client.prefix_get("ab", 1)) == 1
        await client.remove_all()
        assert await client.prefix_get("ab") == []
        await client.put("ab", 1)
        await client.purge_all()  # the name that the 1.x library had for it
        assert await client.prefix_get("ab") == []


async def test_integers_and_tags(store):
    async with AsyncClient(store.place) as client:
        await client.int_put("i", 2**63 - 2)
        assert await client.int_add("i", 1) == 2**63 - 1
        with pytest.raises(qdb.OutOfRange):
            await client.int_add("i", 1)
        await client.int_update("i", -5)
        assert await client.int_get("i") == -5
        with pytest.raises(qdb.IncompatibleType):
            await client.get("i")
        await client.attach_tag("i", "t")
        with pytest.raises(qdb.TagAlreadySet):
            await client.attach_tag("i", "t")
        assert await client.has_tag("i", "t")
        assert await client.get_tags("i") == ["t"]
        assert await client.get_tagged("t") == ["i"]
        await client.detach_tag("i", "t")
        assert not await client.has_tag("i", "t")
        with pytest.raises(ValueError, match="64 bits"):
            await client.int_put("j", 2**63)
        with pytest.raises(TypeError):
            await client.int_put("j", True)


async def test_a_client_keeps_any_object_under_any_object(store):
    async with AsyncClient(store.place) as client:
        for alias in (1, "\x10=1", 1.5, ("a", 2), b"raw", None, uuid.UUID(int=5), "text", "\x10a"):
            value = {"alias": alias}
            await client.put(alias, value)
            assert await client.get(alias) == value
        assert await client.prefix_get("text") == ["text"]
        assert await client.compare_and_swap("text", 2, {"alias": "text"}) == {"alias": "text"}
        assert await client.get("text") == 2


async def test_a_node_describes_itself(store):
    async with AsyncClient(store.place) as client:
        address, _, port = store.node.partition(":")
        node = qdb.RemoteNode(address, int(port))
        assert (await client.node_status(node))["entries"]
        assert (await client.node_config(store.node))["local"]
        topology = await client.node_topology(f"qdb://{store.node}")
        assert topology["center"]["endpoint"] == store.node
        with pytest.raises(qdb.QuasardbException, match=r"127\.0\.0\.1:65000"):
            await client.node_status("127.0.0.1:65000")
        with pytest.raises(TypeError):
            await client.node_status(5)
        with pytest.raises(qdb.OperationDisabled):
            await client.stop_node(node, "test")
        with pytest.raises(TypeError):
            await client.stop_node(node, None)


@pytest.mark.parametrize(
    ("alias", "error"),
    [
        ("", qdb.InvalidArgument),
        ("a\0b", qdb.InvalidArgument),
        ("\ud800", qdb.InvalidArgument),
        (b"\xff", qdb.InvalidArgument),
        ("é" * 513, qdb.AliasTooLong),
        ("..a", qdb.ReservedAlias),
        (5, TypeError),
        (None, TypeError),
    ],
)
async def test_bad_aliases_are_refused_before_anything_is_sent(alias, error):
    engine = FaultyEngine()
    async with AsyncRawClient("fake", engine=engine) as client:
        sent = engine.calls
        for call in (client.put, client.update, client.get_update):
            with pytest.raises(error):
                await call(alias, b"")
        for call in (client.remove, client.get_remove, client.expires_at):
            with pytest.raises(error):
                await (call(alias, None) if call == client.expires_at else call(alias))
        if error is not qdb.ReservedAlias:
            with pytest.raises(error):
                await client.get(alias)
            with pytest.raises(error):
                await client.prefix_get(alias)
        assert engine.calls == sent


@pytest.mark.parametrize("expiry", [datetime.datetime(2020, 1, 1, tzinfo=UTC), -5, 1e300])
async def test_bad_times_are_refused(store, expiry):
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(qdb.InvalidArgument):
            await client.put("a", b"", expiry)
        with pytest.raises(TypeError):
            await client.put("a", b"", "tomorrow")
        assert await client.prefix_get("a") == []


async def test_bad_content_and_options_are_refused(store):
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(TypeError, match="Client pickles"):
            await client.put("a", 5)
        with pytest.raises(TypeError):
            await client.prefix_get("a", "5")
    for wrong in (5, b"qdb://a", [5]):
        with pytest.raises(TypeError):
            AsyncRawClient(wrong)
    for wrong in ("http://a", "qdb://", "qdb://a:99999", "qdb://user:secret@host:1", []):
        with pytest.raises(ValueError) as caught:
            AsyncRawClient(wrong)
        assert "secret" not in str(caught.value)
    with pytest.raises(ValueError):
        AsyncRawClient("embedded:", timeout=0)
    with pytest.raises(TypeError):
        AsyncRawClient("embedded:", timeout="1")


@pytest.mark.parametrize("name", ["limits", "retry", "options", "library", "engine", "clock"])
async def test_options_of_a_wrong_type_are_refused(name):
    with pytest.raises(TypeError, match=name):
        AsyncRawClient("embedded:", **{name: 5})


@pytest.mark.parametrize(
    "options",
    [{"encryption": True}, {"user": "u", "secret_key": "secret"}, {"cluster_public_key": "secret"}],
)
async def test_protection_that_an_embedded_store_lacks_is_refused(options):
    with pytest.raises(ValueError, match=f"no {next(iter(options))}") as caught:
        AsyncRawClient("embedded:", options=qdb.SessionOptions(**options))
    assert "secret'" not in str(caught.value)
    async with AsyncRawClient("embedded:", options=qdb.SessionOptions(encryption=False)):
        pass


@pytest.mark.parametrize(
    ("timeout", "expected"), [(None, LONGEST_TIMEOUT), (3, 3), (1e9, LONGEST_TIMEOUT)]
)
async def test_sessions_have_the_timeout_of_the_client(timeout, expected):
    asked = []

    def engine_for(nodes, options):
        asked.append(options.timeout)
        return FaultyEngine()

    with redirected(engine_for):
        async with AsyncRawClient("qdb://a", timeout=timeout):
            pass
    assert asked == [expected]


async def test_engines_are_told_how_long_connecting_may_take():
    asked = []

    class Engine(FaultyEngine):
        def connect(self, timeout=None):
            asked.append(timeout)
            return super().connect(timeout)

    async with AsyncRawClient("fake", engine=Engine(), connect_timeout=7) as client:
        await client.connect()
        async for _ in client:
            pass
    assert asked == [7, 7]


async def test_a_wrong_expiry_is_refused_by_the_name_of_the_operation(store):
    async with AsyncRawClient(store.place) as client:
        for wrong, error in ((5, qdb.InvalidArgument), ("soon", TypeError)):
            with pytest.raises(error, match=r"^put: "):
                await client.put("a", b"", wrong)
            with pytest.raises(error, match=r"^int_put: "):
                await client.int_put("a", 1, wrong)
            with pytest.raises(error, match=r"^expires_at: "):
                await client.expires_at("a", wrong)
        with pytest.raises(qdb.InvalidArgument, match=r"^expires_from_now: ") as caught:
            await client.expires_from_now("a", -1)
        assert str(caught.value).endswith("invalid. The expiry -1 is in the past.")


async def test_errors_say_what_was_asked_of_whom_and_no_content(store):
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(qdb.AliasNotFound) as caught:
            await client.get_update("missing", b"secret content")
        error = caught.value
        assert (error.operation, error.alias, error.node) == ("get_update", "missing", store.name)
        assert "secret" not in f"{error}{error!r}"


async def test_a_closed_client_refuses(store):
    client = AsyncRawClient(store.place)
    await client.connect()
    assert client.statistics().sessions == 1
    await client.put("a", b"")
    await client.aclose()
    await client.aclose()
    with pytest.raises(ClientClosed):
        await client.get("a")
    with pytest.raises(ClientClosed):
        await client.put("a", b"")
    assert client.statistics().sessions == 0


FAST = RetryPolicy(attempts=3, initial_backoff=0)


async def test_reads_are_repeated_after_errors_that_pass():
    engine = FaultyEngine({"a": b"1"})
    one = PoolLimits(max_size=1)
    async with AsyncRawClient("fake", engine=engine, retry=FAST, limits=one) as client:
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET, 2)
        assert await client.get("a") == b"1"
        assert engine.sessions_open == 1  # broken ones were replaced, and closed


async def test_writes_whose_fate_is_unknown_are_not_repeated():
    engine = FaultyEngine()
    async with AsyncRawClient("fake", engine=engine, retry=FAST) as client:
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET)
        with pytest.raises(qdb.ConnectionFailed, match="put 'a' at fake"):
            await client.put("a", b"")
        engine.fail_next(qdb.ErrorCode.CONNECTION_REFUSED)
        await client.put("a", b"")
        engine.fail_next(qdb.ErrorCode.CONNECTION_REFUSED, 3)
        with pytest.raises(qdb.ConnectionFailed) as caught:
            await client.put("b", b"")
        assert len(caught.value.__cause__.exceptions) == 2


async def test_calls_that_travel_by_themselves_have_the_same_outcome(store):
    async with AsyncRawClient(store.place) as client:
        alone = client.unbatched()
        await alone.put("a", b"1")
        assert await alone.get("a") == await client.get("a") == b"1"
        with pytest.raises(qdb.AliasAlreadyExists):
            await alone.put("a", b"2")
        assert await alone.with_timeout(20).get("a") == b"1"


async def test_views_share_the_client_and_have_their_own_timeout(store):
    async with AsyncRawClient(store.place) as client:
        view = client.with_timeout(5)
        await view.put("a", b"1")
        assert await client.get("a") == b"1"
        assert await client.with_timeout(None).get("a") == b"1"
        with pytest.raises(ValueError):
            client.with_timeout(-1)
