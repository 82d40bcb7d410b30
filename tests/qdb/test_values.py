"""The values of the documented interface."""

import copy
import datetime
import pickle
import zoneinfo
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit import qdb
from storekit.qdb.engine import OperationKind, Outcome
from storekit.qdb.errors import error_for
from storekit.qdb.location import open_engine
from storekit.qdb.times import from_milliseconds, milliseconds_from_now, to_milliseconds
from storekit.qdb.values import parse_node, parse_nodes
from tests.support.qdb_clusters import redirected

UTC = datetime.UTC


def test_the_documented_names_are_there():
    for name in qdb.__all__:
        assert getattr(qdb, name) is not None
    assert qdb.Operation is qdb.Operations
    assert [int(operation) for operation in qdb.Operations][:9] == list(range(-1, 8))
    assert qdb.version()
    assert qdb.build()
    assert "cannot be found" in qdb.make_error_string(qdb.ErrorCode.ALIAS_NOT_FOUND)
    with pytest.raises(AttributeError):
        qdb.Nothing  # noqa: B018


def test_a_node_has_an_address_and_a_port():
    node = qdb.RemoteNode("127.0.0.1")
    assert (node.address, node.port, str(node)) == ("127.0.0.1", 2836, "127.0.0.1:2836")
    assert str(qdb.RemoteNode("::1", 1)) == "[::1]:1"
    assert node.c_type().address == b"127.0.0.1"
    assert node.c_type().port == 2836
    assert node.error == qdb.ErrorCode.UNINITIALIZED
    for address, port, error in [
        (5, 1, TypeError), ("a", "1", TypeError), ("a", True, TypeError), ("a", 0, ValueError),
        ("a", 65536, ValueError), ("", 1, ValueError), ("a b", 1, ValueError),
        ("a,b", 1, ValueError), ("u@a", 1, ValueError), ("a/b", 1, ValueError),
    ]:  # fmt: skip
        with pytest.raises(error):
            qdb.RemoteNode(address, port)


def test_nodes_are_read_from_uris():
    assert parse_nodes("qdb://a:1,[::1]:2,c") == (
        qdb.RemoteNode("a", 1),
        qdb.RemoteNode("::1", 2),
        qdb.RemoteNode("c"),
    )
    assert parse_node("a") == parse_node("qdb://a:2836/") == qdb.RemoteNode("a")
    for wrong in ("", "qdb://", "qdb://a:b", "qdb://a,,b", "http://a", "qdb://a:1:2"):
        with pytest.raises(ValueError):
            parse_nodes(wrong)


@pytest.mark.parametrize(
    ("expiry", "milliseconds"),
    [
        (None, 0),
        (datetime.datetime(2020, 1, 1), 1_577_836_800_000),  # noqa: DTZ001 - naive means UTC
        (datetime.datetime(2020, 1, 1, 0, 0, 0, 1999, tzinfo=UTC), 1_577_836_800_001),
        (datetime.datetime(2020, 1, 1, tzinfo=qdb.tz), 1_577_836_800_000),
        (
            datetime.datetime(2020, 1, 1, 2, tzinfo=datetime.timezone(timedelta(hours=2))),
            1_577_836_800_000,
        ),
        (
            datetime.datetime(2020, 7, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
            1_593_561_600_000,
        ),
        (timedelta(seconds=1.5), 1_570_000_001_500),
        (1_577_836_800.25, 1_577_836_800_250),
        (1_577_836_800, 1_577_836_800_000),
    ],
)
def test_expiry_in_every_form(expiry, milliseconds):
    assert to_milliseconds(expiry, 1_570_000_000) == milliseconds


def test_an_expiry_that_is_over_or_none_is_refused():
    now = 1_570_000_000
    assert to_milliseconds(now - 299, now)
    for over in (now - 301, 0, -1, timedelta(minutes=-6), float("inf"), float("nan"), 1e300):
        with pytest.raises(qdb.InvalidArgument):
            to_milliseconds(over, now)
    for wrong in ("2020", True, datetime.date(2020, 1, 1), b""):
        with pytest.raises(TypeError):
            to_milliseconds(wrong, now)


def test_seconds_from_now():
    assert milliseconds_from_now(60) == 60_000
    assert milliseconds_from_now(0) == 0
    assert milliseconds_from_now(timedelta(milliseconds=1.5)) == 1
    for wrong in (-1, float("nan"), float("inf"), timedelta(seconds=-1), 1e30):
        with pytest.raises(qdb.InvalidArgument):
            milliseconds_from_now(wrong)
    for wrong in ("1", None, True):
        with pytest.raises(TypeError):
            milliseconds_from_now(wrong)


@given(st.integers(1, 2**42))
def test_seconds_with_a_fraction_keep_their_milliseconds(milliseconds):
    assert to_milliseconds(milliseconds / 1000, 0) == milliseconds
    assert milliseconds_from_now(milliseconds / 1000) == milliseconds


@given(st.datetimes(min_value=datetime.datetime(1970, 1, 2), timezones=st.timezones()))  # noqa: DTZ001
def test_every_moment_comes_back_to_the_millisecond(moment):
    back = from_milliseconds(to_milliseconds(moment, 0))
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)


def test_what_is_no_datetime_is_still_an_answer():
    assert from_milliseconds(0) is None
    assert from_milliseconds(2**62).year == 9999


def test_the_time_zone_is_utc():
    moment = datetime.datetime(2020, 1, 1, tzinfo=qdb.tz)
    assert moment.utcoffset() == moment.dst() == timedelta(0)
    assert moment.tzname() == "UTC"
    assert pickle.loads(pickle.dumps(moment)) == copy.deepcopy(moment) == moment


def test_requests_and_results_pickle_their_contents():
    request = qdb.BatchRequest(qdb.Operations.cas, "a", [1], {"b": 2})
    pickled = request.pickle()
    assert request.content == [1]
    assert pickle.loads(pickled.content) == [1]
    assert pickle.loads(pickled.comparand) == {"b": 2}
    assert qdb.BatchRequest(qdb.Operations.put, "a").pickle().content is None
    low = pickled.cpp_type(None)
    assert (low.kind, low.alias, low.content) == (OperationKind.BLOB_CAS, "a", pickled.content)
    result = qdb.BatchResult.of(request, Outcome(qdb.ErrorCode.OK_CREATED), pickled.content)
    assert result.error == 0
    assert result.ok
    assert result.unpickle().result == [1]
    assert result.result == pickled.content
    assert qdb.BatchResult(result) == result
    assert "secret" not in repr(qdb.BatchResult.of(request, Outcome(0), b"secret"))


def test_clusters_can_be_redirected():
    node = qdb.RemoteNode("nowhere", 1)
    with redirected():
        first, second = qdb.RawClient(node), qdb.RawClient("qdb://nowhere:1")
        first.put("a", b"1")
        assert second.get("a") == b"1"
        with pytest.raises(qdb.AliasNotFound):
            qdb.RawClient([node, qdb.RemoteNode("b")]).get("a")
    with redirected(lambda nodes, options: (nodes, options.timeout)):
        assert open_engine(node, qdb.SessionOptions(timeout=3)) == (((node,), 3), "nowhere:1")


@pytest.mark.parametrize(
    "text", ["http://user:secret@a:1", "user:secret@a:1", "qdb://user:secret@a", "a:1,u:secret@b:2"]
)
def test_what_may_hold_a_password_is_not_shown(text):
    for read in (parse_node, parse_nodes, qdb.RemoteNode, qdb.RawClient):
        with pytest.raises(ValueError) as caught:
            read(text)
        assert "secret" not in str(caught.value)


def test_an_expiry_that_is_refused_names_the_operation():
    for wrong, error in ((5, qdb.InvalidArgument), ("soon", TypeError), (2.0**70, ValueError)):
        with pytest.raises((error, qdb.InvalidArgument), match=r"^put: "):
            to_milliseconds(wrong, 1e9, "put")


def test_a_message_and_what_is_added_to_it_are_sentences():
    error = error_for(qdb.ErrorCode.SYSTEM_REMOTE, "The disk is gone.")
    assert str(error) == "A remote system error occurred. The disk is gone."
    error = error_for(qdb.ErrorCode.ALIAS_NOT_FOUND, "It expired.")
    assert str(error).endswith("found. It expired.")
