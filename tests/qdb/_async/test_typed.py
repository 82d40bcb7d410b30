"""Entries that hold a double, a string or a timestamp; looking for content."""

import datetime

import pytest

from storekit.errors import CodecError
from storekit.qdb import (
    PRESERVE_EXPIRY,
    AliasAlreadyExists,
    AliasNotFound,
    AsyncClient,
    AsyncRawClient,
    BatchRequest,
    BufferTooSmall,
    EntryType,
    ErrorCode,
    IncompatibleType,
    Operations,
    OutOfRange,
    UnmatchedContent,
    tz,
)

NOON = datetime.datetime(2026, 6, 1, 12, 0, 0, 123456, datetime.UTC)
DAY = datetime.timedelta(days=1)


async def test_doubles_are_stored_replaced_and_added_to(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        await client.double_put("d", 1.5)
        with pytest.raises(AliasAlreadyExists):
            await client.double_put("d", 1)
        assert await client.double_add("d", 2.25) == 3.75
        await client.double_update("d", -2)
        assert await client.double_get("d") == -2.0
        with pytest.raises(IncompatibleType):
            await client.get("d")


@pytest.mark.parametrize(
    ("value", "error"),
    [("1", TypeError), (True, TypeError), (None, TypeError), (10**400, ValueError)],
)
async def test_what_is_no_double_is_refused_before_anything_is_sent(store, value, error):
    async with AsyncRawClient(store.place, **store.options) as client:
        for call in (client.double_put, client.double_update, client.double_add):
            with pytest.raises(error, match="double"):
                await call("d", value)
        with pytest.raises(AliasNotFound):
            await client.double_get("d")


@pytest.mark.parametrize("text", ["", "plain", "nul \0 inside", "Grüße, 世界 🌍", "x" * 100_000])
@pytest.mark.parametrize("kind", [AsyncClient, AsyncRawClient])
async def test_a_string_comes_back_as_it_was_from_every_client(store, kind, text):
    async with kind(store.place, **store.options) as client:
        await client.string_put("s", text)
        with pytest.raises(AliasAlreadyExists):
            await client.string_put("s", text)
        assert await client.string_get("s") == text
        assert (await client.get_metadata("s")).type is EntryType.STRING
        assert await client.string_get_update("s", text + "2") == text
        assert await client.string_get_remove("s") == text + "2"
        await client.string_update("s", text)
        assert await client.string_get("s") == text


async def test_a_string_is_swapped_and_removed_if_it_is_what_was_expected(store):
    async with AsyncClient(store.place, **store.options) as client:
        await client.string_put("s", "old")
        assert await client.string_compare_and_swap("s", "new", "other") == "old"
        assert await client.string_get("s") == "old"
        assert await client.string_compare_and_swap("s", "new", "old") == "old"
        with pytest.raises(UnmatchedContent) as caught:
            await client.string_remove_if("s", "old")
        assert caught.value.operation == "string_remove_if"
        await client.string_remove_if("s", "new")
        with pytest.raises(AliasNotFound) as gone:
            await client.string_get_update("s", "x")
        assert gone.value.operation == "string_get_update"


@pytest.mark.parametrize(("value", "error"), [(b"bytes", TypeError), ("\udc80", ValueError)])
async def test_what_is_no_text_is_no_string(store, value, error):
    async with AsyncClient(store.place, **store.options) as client:
        with pytest.raises(error):
            await client.string_put("s", value)
        with pytest.raises(AliasNotFound):
            await client.string_get("s")


async def test_a_timestamp_is_the_same_moment_in_the_time_zone_of_the_clients(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        zone = datetime.timezone(datetime.timedelta(hours=5))
        await client.timestamp_put("t", NOON.astimezone(zone))
        found = await client.timestamp_get("t")
        assert found == NOON
        assert found.tzinfo is tz
        with pytest.raises(AliasAlreadyExists):
            await client.timestamp_put("t", NOON)
        await client.timestamp_update("t", NOON + DAY)
        assert await client.timestamp_add("t", -DAY) == NOON
        assert await client.timestamp_get("t") == NOON


async def test_a_timestamp_keeps_nanoseconds_in_its_int_form(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        for moment in (1, -1, 10**18 + 123_456_789, -(10**18) - 1):
            await client.timestamp_update("t", moment)
            assert await client.timestamp_get_ns("t") == moment
            assert await client.timestamp_add("t", 5) == moment + 5


async def test_a_timestamp_beyond_the_years_of_a_datetime_is_there_as_an_int(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        await client.timestamp_put("t", 10**21)
        with pytest.raises(CodecError, match=r"timestamp_get_ns.*'t'"):
            await client.timestamp_get("t")
        assert await client.timestamp_get_ns("t") == 10**21


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (datetime.datetime(2026, 6, 1), ValueError, "time zone"),  # noqa: DTZ001 - is refused
        (1.5, TypeError, "nanoseconds"),
        (True, TypeError, "nanoseconds"),
        ("now", TypeError, "datetime"),
    ],
)
async def test_what_is_no_point_in_time_is_no_timestamp(store, value, error, match):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(error, match=match):
            await client.timestamp_put("t", value)
        with pytest.raises(AliasNotFound):
            await client.timestamp_get("t")


async def test_entries_of_all_types_expire(timed_store):
    async with AsyncRawClient(timed_store.place, **timed_store.options) as client:
        await client.string_put("s", "x", DAY)
        await client.double_put("d", 1, DAY)
        await client.timestamp_put("t", NOON, DAY)
        await client.string_update("s", "y", PRESERVE_EXPIRY)
        assert await client.get_expiry_time("s") is not None
        timed_store.clock.sleep(25 * 3600 * 1000)
        for get in (client.string_get, client.double_get, client.timestamp_get):
            with pytest.raises(AliasNotFound):
                await get(
                    {"string_get": "s", "double_get": "d", "timestamp_get": "t"}[get.__name__]
                )


async def test_a_batch_holds_requests_for_entries_of_other_types(store):
    async with AsyncClient(store.place, **store.options) as client:
        await client.put("tagged", {"any": "object"})
        await client.attach_tag("tagged", ("a", "tag"))
        await client.string_put("s", "old")
        successes, results = await client.run_batch(
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
        _, results = await client.run_batch(
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
        assert (await client.run_batch(removals))[0] == 3


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
async def test_a_batch_refuses_values_that_do_not_go_with_their_operation(
    store, request_, error, match
):
    async with AsyncRawClient(store.place, **store.options) as client:
        with pytest.raises(error, match=match):
            await client.run_batch([request_])


async def test_content_is_looked_for_in_blobs_and_in_strings(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        await client.put("b1", b"one needle \0 in hay")
        await client.put("b2", b"hay")
        await client.string_put("s1", "a needle")
        assert await client.blob_scan(b"needle \0") == ["b1"]
        assert await client.blob_scan("hay", max_count=1) in (["b1"], ["b2"])
        assert await client.blob_scan_regex("n[e]+dle") == ["b1"]
        assert await client.string_scan("needle") == ["s1"]
        assert await client.string_scan_regex("^a ") == ["s1"]
        assert await client.string_scan("nothing") == []
        for call in (client.blob_scan, client.string_scan, client.blob_scan_regex):
            with pytest.raises(ValueError, match="max_count"):
                await call("x", 0)


async def test_a_buffer_of_the_caller_is_filled(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        await client.put("a", b"content")
        buffer = bytearray(b"-" * 9)
        assert await client.get_into("a", memoryview(buffer)[1:]) == 7
        assert buffer == b"-content-"
        with pytest.raises(BufferTooSmall, match=r"get_into 'a'.*7 bytes.*3") as caught:
            await client.get_into("a", bytearray(3))
        assert caught.value.size == 7
        with pytest.raises(TypeError, match="read-only"):
            await client.get_into("a", memoryview(b"1234567890"))


async def test_counts_of_suffixes_and_tags(store):
    async with AsyncClient(store.place, **store.options) as client:
        for alias in ("1.txt", "2.txt", "3.csv"):
            await client.put(alias, None)
            await client.attach_tag(alias, 7)
        assert await client.suffix_count(".txt") == 2
        assert await client.get_tagged_count(7) == 3
        assert await client.get_tagged_count(8) == 0


async def test_a_sum_of_timestamps_that_does_not_fit_changes_nothing(store):
    async with AsyncRawClient(store.place, **store.options) as client:
        most = (2**63 - 1) * 10**9
        await client.timestamp_put("t", most)
        with pytest.raises(OutOfRange):
            await client.timestamp_add("t", most)
        assert await client.timestamp_get_ns("t") == most


async def test_a_batch_holds_timestamps(store):
    async with AsyncClient(store.place, **store.options) as client:
        successes, _ = await client.run_batch(
            [
                BatchRequest(Operations.timestamp_put, "t", NOON),
                BatchRequest(Operations.timestamp_update, "u", -1),
                BatchRequest(Operations.timestamp_put, "far", 10**21),
            ]
        )
        assert successes == 3
        _, results = await client.run_batch(
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
        assert await client.timestamp_get_ns("u") == 2
        with pytest.raises(ValueError, match="time zone"):
            await client.run_batch(
                [BatchRequest(Operations.timestamp_put, "v", NOON.replace(tzinfo=None))]
            )
        (result,) = await client.run_transaction([BatchRequest(Operations.timestamp_get, "t")])
        assert result.result == NOON + DAY
