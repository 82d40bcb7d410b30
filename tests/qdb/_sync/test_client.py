# Generated from tests/qdb/_async/test_client.py by tools/generate_sync.py; do not edit.

import datetime
import uuid

import pytest

from storekit import qdb
from storekit.errors import ClientClosed
from storekit.options import PoolLimits, RetryPolicy
from storekit.qdb import Client, RawClient
from storekit.qdb.engine import LONGEST_TIMEOUT
from tests.support.qdb_clusters import redirected
from tests.support.qdb_faults import FaultyEngine

UTC = datetime.UTC


def test_what_is_put_is_got(store):
    with RawClient(store.place) as client:
        client.put("alias", b"content")
        assert client.get("alias") == b"content"
        assert bytes(client.get_view("alias")) == b"content"
        client.update("alias", "té")
        assert client.get(b"alias") == "té".encode()
        with pytest.raises(qdb.AliasAlreadyExists):
            client.put("alias", b"")


@pytest.mark.parametrize("content", [b"", bytearray(b"ab"), memoryview(b"ab"), b"x" * 3_000_000])
def test_content_comes_back_as_bytes(store, content):
    with RawClient(store.place) as client:
        client.put("a", content)
        got = client.get("a")
        assert type(got) is bytes
        assert got == bytes(content)


def test_changes_in_one_step(store):
    with RawClient(store.place) as client:
        client.put("a", b"1")
        assert client.get_update("a", b"2") == b"1"
        assert client.compare_and_swap("a", b"3", b"other") == b"2"
        assert client.compare_and_swap("a", b"3", b"2") == b"2"
        with pytest.raises(qdb.UnmatchedContent):
            client.remove_if("a", b"2")
        assert client.get("a") == b"3"
        client.remove_if("a", b"3")
        client.put("a", b"4")
        assert client.get_remove("a") == b"4"
        with pytest.raises(qdb.AliasNotFound):
            client.remove("a")


def test_expiry_is_given_and_told_in_utc(store):
    with RawClient(store.place) as client:
        zone = datetime.timezone(datetime.timedelta(hours=5))
        moment = datetime.datetime(2190, 1, 1, 12, 0, 0, 123_000, tzinfo=zone)
        client.put("a", b"", moment)
        expiry = client.get_expiry_time("a")
        assert expiry == moment
        assert expiry.tzinfo is qdb.tz
        client.expires_at("a", datetime.datetime(2190, 1, 1))  # noqa: DTZ001 - naive means UTC
        assert client.get_expiry_time("a") == datetime.datetime(2190, 1, 1, tzinfo=UTC)
        client.expires_at("a", None)
        assert client.get_expiry_time("a") is None
        client.expires_from_now("a", 60)
        left = client.get_expiry_time("a") - datetime.datetime.now(UTC)
        assert datetime.timedelta(seconds=50) < left <= datetime.timedelta(seconds=60)
        client.update("a", b"")
        assert client.get_expiry_time("a") is None
        assert client.get_metadata("a").expiry is None


def test_aliases_are_found(store):
    with Client(store.place) as client:
        for alias in ("ab1", "ab2", "b1"):
            client.put(alias, 1)
        assert client.prefix_get("ab") == ["ab1", "ab2"]
        assert client.prefix_get("none") == []
        assert client.prefix_count("ab") == 2
        assert sorted(client.suffix_get("1")) == ["ab1", "b1"]
        assert len(client.prefix_get("ab", 1)) == 1
        client.remove_all()
        assert client.prefix_get("ab") == []
        client.put("ab", 1)
        client.purge_all()  # the name that the 1.x library had for it
        assert client.prefix_get("ab") == []


def test_integers_and_tags(store):
    with Client(store.place) as client:
        client.int_put("i", 2**63 - 2)
        assert client.int_add("i", 1) == 2**63 - 1
        with pytest.raises(qdb.OutOfRange):
            client.int_add("i", 1)
        client.int_update("i", -5)
        assert client.int_get("i") == -5
        with pytest.raises(qdb.IncompatibleType):
            client.get("i")
        client.attach_tag("i", "t")
        with pytest.raises(qdb.TagAlreadySet):
            client.attach_tag("i", "t")
        assert client.has_tag("i", "t")
        assert client.get_tags("i") == ["t"]
        assert client.get_tagged("t") == ["i"]
        client.detach_tag("i", "t")
        assert not client.has_tag("i", "t")
        with pytest.raises(ValueError, match="64 bits"):
            client.int_put("j", 2**63)
        with pytest.raises(TypeError):
            client.int_put("j", True)


def test_a_client_keeps_any_object_under_any_object(store):
    with Client(store.place) as client:
        for alias in (1, "\x10=1", 1.5, ("a", 2), b"raw", None, uuid.UUID(int=5), "text", "\x10a"):
            value = {"alias": alias}
            client.put(alias, value)
            assert client.get(alias) == value
        assert client.prefix_get("text") == ["text"]
        assert client.compare_and_swap("text", 2, {"alias": "text"}) == {"alias": "text"}
        assert client.get("text") == 2


def test_a_node_describes_itself(store):
    with Client(store.place) as client:
        address, _, port = store.node.partition(":")
        node = qdb.RemoteNode(address, int(port))
        assert client.node_status(node)["entries"]
        assert client.node_config(store.node)["local"]
        topology = client.node_topology(f"qdb://{store.node}")
        assert topology["center"]["endpoint"] == store.node
        with pytest.raises(qdb.QuasardbException, match=r"127\.0\.0\.1:65000"):
            client.node_status("127.0.0.1:65000")
        with pytest.raises(TypeError):
            client.node_status(5)
        with pytest.raises(qdb.OperationDisabled):
            client.stop_node(node, "test")
        with pytest.raises(TypeError):
            client.stop_node(node, None)


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
def test_bad_aliases_are_refused_before_anything_is_sent(alias, error):
    engine = FaultyEngine()
    with RawClient("fake", engine=engine) as client:
        sent = engine.calls
        for call in (client.put, client.update, client.get_update):
            with pytest.raises(error):
                call(alias, b"")
        for call in (client.remove, client.get_remove, client.expires_at):
            with pytest.raises(error):
                (call(alias, None) if call == client.expires_at else call(alias))
        if error is not qdb.ReservedAlias:
            with pytest.raises(error):
                client.get(alias)
            with pytest.raises(error):
                client.prefix_get(alias)
        assert engine.calls == sent


@pytest.mark.parametrize("expiry", [datetime.datetime(2020, 1, 1, tzinfo=UTC), -5, 1e300])
def test_bad_times_are_refused(store, expiry):
    with RawClient(store.place) as client:
        with pytest.raises(qdb.InvalidArgument):
            client.put("a", b"", expiry)
        with pytest.raises(TypeError):
            client.put("a", b"", "tomorrow")
        assert client.prefix_get("a") == []


def test_bad_content_and_options_are_refused(store):
    with RawClient(store.place) as client:
        with pytest.raises(TypeError, match="Client pickles"):
            client.put("a", 5)
        with pytest.raises(TypeError):
            client.prefix_get("a", "5")
    for wrong in (5, b"qdb://a", [5]):
        with pytest.raises(TypeError):
            RawClient(wrong)
    for wrong in ("http://a", "qdb://", "qdb://a:99999", "qdb://user:secret@host:1", []):
        with pytest.raises(ValueError) as caught:
            RawClient(wrong)
        assert "secret" not in str(caught.value)
    with pytest.raises(ValueError):
        RawClient("embedded:", timeout=0)
    with pytest.raises(TypeError):
        RawClient("embedded:", timeout="1")


@pytest.mark.parametrize("name", ["limits", "retry", "options", "library", "engine", "clock"])
def test_options_of_a_wrong_type_are_refused(name):
    with pytest.raises(TypeError, match=name):
        RawClient("embedded:", **{name: 5})


@pytest.mark.parametrize(
    "options",
    [{"encryption": True}, {"user": "u", "secret_key": "secret"}, {"cluster_public_key": "secret"}],
)
def test_protection_that_an_embedded_store_lacks_is_refused(options):
    with pytest.raises(ValueError, match=f"no {next(iter(options))}") as caught:
        RawClient("embedded:", options=qdb.SessionOptions(**options))
    assert "secret'" not in str(caught.value)
    with RawClient("embedded:", options=qdb.SessionOptions(encryption=False)):
        pass


@pytest.mark.parametrize(
    ("timeout", "expected"), [(None, LONGEST_TIMEOUT), (3, 3), (1e9, LONGEST_TIMEOUT)]
)
def test_sessions_have_the_timeout_of_the_client(timeout, expected):
    asked = []

    def engine_for(nodes, options):
        asked.append(options.timeout)
        return FaultyEngine()

    with redirected(engine_for):
        with RawClient("qdb://a", timeout=timeout):
            pass
    assert asked == [expected]


def test_engines_are_told_how_long_connecting_may_take():
    asked = []

    class Engine(FaultyEngine):
        def connect(self, timeout=None):
            asked.append(timeout)
            return super().connect(timeout)

    with RawClient("fake", engine=Engine(), connect_timeout=7) as client:
        client.connect()
        for _ in client:
            pass
    assert asked == [7, 7]


def test_a_wrong_expiry_is_refused_by_the_name_of_the_operation(store):
    with RawClient(store.place) as client:
        for wrong, error in ((5, qdb.InvalidArgument), ("soon", TypeError)):
            with pytest.raises(error, match=r"^put: "):
                client.put("a", b"", wrong)
            with pytest.raises(error, match=r"^int_put: "):
                client.int_put("a", 1, wrong)
            with pytest.raises(error, match=r"^expires_at: "):
                client.expires_at("a", wrong)
        with pytest.raises(qdb.InvalidArgument, match=r"^expires_from_now: ") as caught:
            client.expires_from_now("a", -1)
        assert str(caught.value).endswith("invalid. The expiry -1 is in the past.")


def test_errors_say_what_was_asked_of_whom_and_no_content(store):
    with RawClient(store.place) as client:
        with pytest.raises(qdb.AliasNotFound) as caught:
            client.get_update("missing", b"secret content")
        error = caught.value
        assert (error.operation, error.alias, error.node) == ("get_update", "missing", store.name)
        assert "secret" not in f"{error}{error!r}"


def test_a_closed_client_refuses(store):
    client = RawClient(store.place)
    client.connect()
    assert client.statistics().sessions == 1
    client.put("a", b"")
    client.close()
    client.close()
    with pytest.raises(ClientClosed):
        client.get("a")
    with pytest.raises(ClientClosed):
        client.put("a", b"")
    assert client.statistics().sessions == 0


FAST = RetryPolicy(attempts=3, initial_backoff=0)


def test_reads_are_repeated_after_errors_that_pass():
    engine = FaultyEngine({"a": b"1"})
    one = PoolLimits(max_size=1)
    with RawClient("fake", engine=engine, retry=FAST, limits=one) as client:
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET, 2)
        assert client.get("a") == b"1"
        assert engine.sessions_open == 1  # broken ones were replaced, and closed


def test_writes_whose_fate_is_unknown_are_not_repeated():
    engine = FaultyEngine()
    with RawClient("fake", engine=engine, retry=FAST) as client:
        engine.fail_next(qdb.ErrorCode.CONNECTION_RESET)
        with pytest.raises(qdb.ConnectionFailed, match="put 'a' at fake"):
            client.put("a", b"")
        engine.fail_next(qdb.ErrorCode.CONNECTION_REFUSED)
        client.put("a", b"")
        engine.fail_next(qdb.ErrorCode.CONNECTION_REFUSED, 3)
        with pytest.raises(qdb.ConnectionFailed) as caught:
            client.put("b", b"")
        assert len(caught.value.__cause__.exceptions) == 2


def test_calls_that_travel_by_themselves_have_the_same_outcome(store):
    with RawClient(store.place) as client:
        alone = client.unbatched()
        alone.put("a", b"1")
        assert alone.get("a") == client.get("a") == b"1"
        with pytest.raises(qdb.AliasAlreadyExists):
            alone.put("a", b"2")
        assert alone.with_timeout(20).get("a") == b"1"


def test_views_share_the_client_and_have_their_own_timeout(store):
    with RawClient(store.place) as client:
        view = client.with_timeout(5)
        view.put("a", b"1")
        assert client.get("a") == b"1"
        assert client.with_timeout(None).get("a") == b"1"
        with pytest.raises(ValueError):
            client.with_timeout(-1)
