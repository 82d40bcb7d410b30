# Generated from tests/qdb/_async/test_typed.py by tools/generate_sync.py; do not edit.

"""Entries that hold a double, a string or a timestamp; looking for content."""

import datetime

import pytest

from storekit.errors import CodecError
from storekit.qdb import (
    PRESERVE_EXPIRY,
    AliasAlreadyExists,
    AliasNotFound,
    BatchRequest,
    BufferTooSmall,
    Client,
    EntryType,
    ErrorCode,
    IncompatibleType,
    Operations,
    OutOfRange,
    RawClient,
    UnmatchedContent,
    tz,
)

NOON = datetime.datetime(2026, 6, 1, 12, 0, 0, 123456, datetime.UTC)
DAY = datetime.timedelta(days=1)


def test_doubles_are_stored_replaced_and_added_to(store):
    with RawClient(store.place, **store.options) as client:
        client.double_put("d", 1.5)
        with pytest.raises(AliasAlreadyExists):
            client.double_put("d", 1)
        assert client.double_add("d", 2.25) == 3.75
        client.double_update("d", -2)
        assert client.double_get("d") == -2.0
        with pytest.raises(IncompatibleType):
            client.get("d")


@pytest.mark.parametrize(
    ("value", "error"),
    [("1", TypeError), (True, TypeError), (None, TypeError), (10**400, ValueError)],
)
def test_what_is_no_double_is_refused_before_anything_is_sent(store, value, error):
    with RawClient(store.place, **store.options) as client:
        for call in (client.double_put, client.double_update, client.double_add):
            with pytest.raises(error, match="double"):
                call("d", value)
        with pytest.raises(AliasNotFound):
            client.double_get("d")


@pytest.mark.parametrize("text", ["", "plain", "nul \0 inside", "Grüße, 世界 🌍", "x" * 100_000])
@pytest.mark.parametrize("kind", [Client, RawClient])
def test_a_string_comes_back_as_it_was_from_every_client(store, kind, text):
    with kind(store.place, **store.options) as client:
        client.string_put("s", text)
        with pytest.raises(AliasAlreadyExists):
            client.string_put("s", text)
        assert client.string_get("s") == text
        assert client.get_metadata("s").type is EntryType.STRING
        assert client.string_get_update("s", text + "2") == text
        assert client.string_get_remove("s") == text + "2"
        client.string_update("s", text)
        assert client.string_get("s") == text


def test_a_string_is_swapped_and_removed_if_it_is_what_was_expected(store):
    with Client(store.place, **store.options) as client:
        client.string_put("s", "old")
        assert client.string_compare_and_swap("s", "new", "other") == "old"
        assert client.string_get("s") == "old"
        assert client.string_compare_and_swap("s", "new", "old") == "old"
        with pytest.raises(UnmatchedContent) as caught:
            client.string_remove_if("s", "old")
        assert caught.value.operation == "string_remove_if"
        client.string_remove_if("s", "new")
        with pytest.raises(AliasNotFound) as gone:
            client.string_get_update("s", "x")
        assert gone.value.operation == "string_get_update"


@pytest.mark.parametrize(("value", "error"), [(b"bytes", TypeError), ("\udc80", ValueError)])
def test_what_is_no_text_is_no_string(store, value, error):
    with Client(store.place, **store.options) as client:
        with pytest.raises(error):
            client.string_put("s", value)
        with pytest.raises(AliasNotFound):
            client.string_get("s")


def test_a_timestamp_is_the_same_moment_in_the_time_zone_of_the_clients(store):
    with RawClient(store.place, **store.options) as client:
        zone = datetime.timezone(datetime.timedelta(hours=5))
        client.timestamp_put("t", NOON.astimezone(zone))
        found = client.timestamp_get("t")
        assert found == NOON
        assert found.tzinfo is tz
        with pytest.raises(AliasAlreadyExists):
            client.timestamp_put("t", NOON)
        client.timestamp_update("t", NOON + DAY)
        assert client.timestamp_add("t", -DAY) == NOON
        assert client.timestamp_get("t") == NOON


def test_a_timestamp_keeps_nanoseconds_in_its_int_form(store):
    with RawClient(store.place, **store.options) as client:
        for moment in (1, -1, 10**18 + 123_456_789, -(10**18) - 1):
            client.timestamp_update("t", moment)
            assert client.timestamp_get_ns("t") == moment
            assert client.timestamp_add("t", 5) == moment + 5


def test_a_timestamp_beyond_the_years_of_a_datetime_is_there_as_an_int(store):
    with RawClient(store.place, **store.options) as client:
        client.timestamp_put("t", 10**21)
        with pytest.raises(CodecError, match=r"timestamp_get_ns.*'t'"):
            client.timestamp_get("t")
        assert client.timestamp_get_ns("t") == 10**21


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (datetime.datetime(2026, 6, 1), ValueError, "time zone"),  # noqa: DTZ001 - is refused
        (1.5, TypeError, "nanoseconds"),
        (True, TypeError, "nanoseconds"),
        ("now", TypeError, "datetime"),
    ],
)
def test_what_is_no_point_in_time_is_no_timestamp(store, value, error, match):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(error, match=match):
            client.timestamp_put("t", value)
        with pytest.raises(AliasNotFound):
            client.timestamp_get("t")


def test_entries_of_all_types_expire(timed_store):
    with RawClient(timed_store.place, **timed_store.options) as client:
        client.string_put("s", "x", DAY)
        client.double_put("d", 1, DAY)
        client.timestamp_put("t", NOON, DAY)
        client.string_update("s", "y", PRESERVE_EXPIRY)
        assert client.get_expiry_time("s") is not None
        timed_store.clock.sleep(25 * 3600 * 1000)
        for get in (client.string_get, client.double_get, client.timestamp_get):
            with pytest.raises(AliasNotFound):
                get({"string_get": "s", "double_get": "d", "timestamp_get": "t"}[get.__name__])


def test_a_batch_holds_requests_for_entries_of_other_types(store):
    with Client(store.place, **store.options) as client:
        client.put("tagged", {"any": "object"})
        client.attach_tag("tagged", ("a", "tag"))
        client.string_put("s", "old")
        successes, results = client.run_batch(
            [
                BatchRequest(Operations.int_put, "i", 5),
                BatchRequest(Operations.double_put, "d", 1.5),
                BatchRequest(Operations.string_put, "s2", "Grüße"),
                BatchRequest(Operations.string_get_update, "s", "new"),
                BatchRequest(Operations.has_tag, "tagged", tag=("a", "tag")),
                BatchRequest(Operations.has_tag, "tagged", tag="other"),
                BatchRequest(Operations.get_type, "tagged"),
            ]
        )
        assert successes == 6
        assert [result.result for result in results[3:]] == ["old", True, False, EntryType.BLOB]
        assert results[5].error == ErrorCode.TAG_NOT_SET
        assert results[6].result is EntryType.BLOB
        _, results = client.run_batch(
            [
                BatchRequest(Operations.int_add, "i", 3),
                BatchRequest(Operations.double_add, "d", 1),
                BatchRequest(Operations.string_get, "s2"),
                BatchRequest(Operations.string_compare_and_swap, "s", "newest", "new"),
            ]
        )
        assert [result.result for result in results] == [8, 2.5, "Grüße", "new"]
        removals = [
            BatchRequest(Operations.int_remove, "i"),
            BatchRequest(Operations.double_remove, "d"),
            BatchRequest(Operations.string_remove, "s"),
        ]
        assert client.run_batch(removals)[0] == 3


@pytest.mark.parametrize(
    ("request_", "error", "match"),
    [
        (BatchRequest(Operations.int_add, "a", "1"), TypeError, "int"),
        (BatchRequest(Operations.double_put, "a", None), TypeError, "double"),
        (BatchRequest(Operations.string_put, "a", b"x"), TypeError, "text"),
        (BatchRequest(Operations.has_tag, "a"), ValueError, "tag"),
        (BatchRequest(Operations.put, "a", b"x", tag="t"), ValueError, "tag"),
        (BatchRequest(Operations.string_get, "a", "x"), ValueError, "content"),
    ],
)
def test_a_batch_refuses_values_that_do_not_go_with_their_operation(store, request_, error, match):
    with RawClient(store.place, **store.options) as client:
        with pytest.raises(error, match=match):
            client.run_batch([request_])


def test_content_is_looked_for_in_blobs_and_in_strings(store):
    with RawClient(store.place, **store.options) as client:
        client.put("b1", b"one needle \0 in hay")
        client.put("b2", b"hay")
        client.string_put("s1", "a needle")
        assert client.blob_scan(b"needle \0") == ["b1"]
        assert client.blob_scan("hay", max_count=1) in (["b1"], ["b2"])
        assert client.blob_scan_regex("n[e]+dle") == ["b1"]
        assert client.string_scan("needle") == ["s1"]
        assert client.string_scan_regex("^a ") == ["s1"]
        assert client.string_scan("nothing") == []
        for call in (client.blob_scan, client.string_scan, client.blob_scan_regex):
            with pytest.raises(ValueError, match="max_count"):
                call("x", 0)


def test_a_buffer_of_the_caller_is_filled(store):
    with RawClient(store.place, **store.options) as client:
        client.put("a", b"content")
        buffer = bytearray(b"-" * 9)
        assert client.get_into("a", memoryview(buffer)[1:]) == 7
        assert buffer == b"-content-"
        with pytest.raises(BufferTooSmall, match=r"get_into 'a'.*7 bytes.*3") as caught:
            client.get_into("a", bytearray(3))
        assert caught.value.size == 7
        with pytest.raises(TypeError, match="read-only"):
            client.get_into("a", memoryview(b"1234567890"))


def test_counts_of_suffixes_and_tags(store):
    with Client(store.place, **store.options) as client:
        for alias in ("1.txt", "2.txt", "3.csv"):
            client.put(alias, None)
            client.attach_tag(alias, 7)
        assert client.suffix_count(".txt") == 2
        assert client.get_tagged_count(7) == 3
        assert client.get_tagged_count(8) == 0


def test_a_sum_of_timestamps_that_does_not_fit_changes_nothing(store):
    with RawClient(store.place, **store.options) as client:
        most = (2**63 - 1) * 10**9
        client.timestamp_put("t", most)
        with pytest.raises(OutOfRange):
            client.timestamp_add("t", most)
        assert client.timestamp_get_ns("t") == most


def test_a_batch_holds_timestamps(store):
    with Client(store.place, **store.options) as client:
        successes, _ = client.run_batch(
            [
                BatchRequest(Operations.timestamp_put, "t", NOON),
                BatchRequest(Operations.timestamp_update, "u", -1),
                BatchRequest(Operations.timestamp_put, "far", 10**21),
            ]
        )
        assert successes == 3
        _, results = client.run_batch(
            [
                BatchRequest(Operations.timestamp_add, "t", DAY),
                BatchRequest(Operations.timestamp_add, "u", 3),
                BatchRequest(Operations.timestamp_get, "far"),
                BatchRequest(Operations.timestamp_get, "missing"),
            ]
        )
        assert [result.result for result in results] == [NOON + DAY, 2, None, None]
        assert isinstance(results[2].failure, CodecError)
        assert results[3].error == ErrorCode.ALIAS_NOT_FOUND
        assert client.timestamp_get_ns("u") == 2
        with pytest.raises(ValueError, match="time zone"):
            client.run_batch(
                [BatchRequest(Operations.timestamp_put, "v", NOON.replace(tzinfo=None))]
            )
        (result,) = client.run_transaction([BatchRequest(Operations.timestamp_get, "t")])
        assert result.result == NOON + DAY
