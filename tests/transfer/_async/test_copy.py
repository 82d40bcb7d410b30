"""Copying all entries of one store into another, embedded or over the C library."""

import datetime
import io
import itertools
import uuid

import pytest

from storekit.qdb import (
    AliasAlreadyExists,
    AsyncClient,
    AsyncRawClient,
    ConnectionFailed,
    IncompatibleType,
)
from storekit.qdb.embedded import EmbeddedEngine
from storekit.testing import Faults
from storekit.testing.engine import FaultyEngine
from storekit.transfer import TransferMismatch, TransferUnfinished
from storekit.transfer._async.copying import copy
from tests.support.qdb_spy import SpyEngine
from tests.transfer._async.filling import DAY, DOCUMENT, contents, fill

MARKER = "storekit/transfer"


@pytest.fixture
async def other():
    """An empty embedded store."""
    async with AsyncRawClient("embedded:") as client:
        yield client


@pytest.fixture
async def client(store):
    """An empty store of each engine in turn."""
    async with AsyncRawClient(store.place, **store.options) as client:
        yield client


async def test_a_copy_has_all_that_the_source_has_there_and_back(client, other):
    await fill(other)
    before = await contents(other)
    result = await copy(other, client)
    assert result.entries == len(before) > 40
    assert result.written + result.unchanged == len(before)  # tags come with what has them
    assert await contents(client) == before
    assert await contents(other) == before
    async with AsyncRawClient("embedded:") as third:
        assert (await copy(client, third)).content_bytes == result.content_bytes
        assert await contents(third) == before
        out = io.BytesIO()
        await third.download("a document", out)
        assert out.getvalue() == DOCUMENT
        assert [info.key async for info in third.documents()] == ["a document"]


async def test_values_of_a_codec_come_as_they_are(client):
    async with AsyncClient("embedded:") as objects, AsyncClient("embedded:") as target:
        await objects.put(("any", 1), {"a": [1, 2]})
        await objects.put("json", {"a": 1}, codec="json")
        await copy(objects, client)
        await copy(client, target)
        assert await target.get(("any", 1)) == {"a": [1, 2]}
        assert await target.get("json", codec="json") == {"a": 1}


async def test_an_empty_store_is_copied(client, other):
    result = await copy(client, other)
    assert result.entries == 0
    assert await contents(other) == {}


async def test_many_entries_come_each_once(client, other):
    count = 1200
    await client.put_many((str(number), b"%d" % number) for number in range(count))
    told = []
    result = await copy(client, other, progress=told.append)
    assert result.written == count
    assert await other.get("1199") == b"1199"
    assert [each.entries for each in told if each.phase == "copying"][-1] == count
    assert [each.entries for each in told if each.phase == "verifying"][-1] == count
    assert result.content_bytes == told[-1].content_bytes == sum(len(str(n)) for n in range(count))


async def test_what_is_there_and_the_same_is_no_conflict(client, other):
    await fill(other)
    await copy(other, client)
    result = await copy(other, client)
    assert result.written == result.entries - result.unchanged
    assert result.unchanged > 40


async def test_what_is_there_and_is_another_ends_the_copy_and_stays(client, other):
    await other.put("a", b"new")
    await client.put("a", b"old")
    with pytest.raises(AliasAlreadyExists, match="overwrite") as caught:
        await copy(other, client)
    assert caught.value.alias == "a"
    assert await client.get("a") == b"old"
    assert await client.exists(MARKER)


@pytest.mark.parametrize("there", ["another type", "another expiry", "another tag"])
async def test_type_expiry_and_tags_count_for_what_is_the_same(client, other, there):
    await other.put("a", b"1")
    if there == "another type":
        await client.int_put("a", 1)
    elif there == "another expiry":
        await client.put("a", b"1", DAY)
    else:
        await client.put("a", b"1")
        await client.attach_tag("a", "kept")
    before = await contents(client)
    with pytest.raises(AliasAlreadyExists):
        await copy(other, client)
    await client.remove(MARKER)
    assert await contents(client) == before
    result = await copy(other, client, existing="skip")
    assert (result.written, result.skipped) == (0, 1)
    assert await contents(client) == before
    result = await copy(other, client, existing="overwrite")
    assert (result.written, result.skipped) == (1, 0)
    assert (await contents(client))["a"] == ("blob", b"1", None, [])


async def test_a_store_says_that_it_is_not_whole_while_it_is_copied_into(client, other):
    await other.put("a", b"1")
    marked = []

    async def look(progress):
        marked.append(await client.exists(MARKER))

    await copy(other, client, progress=look)
    assert marked
    assert all(marked)
    assert not await client.exists(MARKER)


async def test_what_was_broken_off_is_refused_until_it_is_resumed(client, other):
    await fill(other)

    class Enough(Exception):
        pass

    async def stop(progress):
        raise Enough

    with pytest.raises(Enough):
        await copy(other, client, progress=stop)
    with pytest.raises(TransferUnfinished, match="copy from 'embedded:'"):
        await copy(other, client)
    async with AsyncRawClient("embedded:") as third:
        with pytest.raises(TransferUnfinished, match="not whole"):
            await copy(client, third)
        assert await contents(third) == {}
    result = await copy(other, client, resume=True)
    assert result.unchanged > 0
    assert await contents(client) == await contents(other)


async def test_resuming_finishes_entries_and_leaves_what_is_another(client, other):
    await other.put("half", b"1", DAY)
    await other.attach_tag("half", "tag")
    await other.put("taken", b"new")
    await client.put("half", b"1")
    await client.put(MARKER, b"{}")
    await client.put("taken", b"old")
    with pytest.raises(AliasAlreadyExists) as caught:
        await copy(other, client, resume=True)
    assert caught.value.alias == "taken"
    assert await client.get("taken") == b"old"
    await copy(other, client, resume=True, existing="overwrite")
    assert await contents(client) == await contents(other)


async def test_the_last_to_take_over_is_the_one_that_finishes(client, other):
    await other.put("a", b"1")

    async def take_over(progress):
        await client.update(MARKER, b"{}")

    with pytest.raises(TransferUnfinished, match="took over"):
        await copy(other, client, progress=take_over)
    assert await client.exists(MARKER)


async def test_what_changes_meanwhile_is_copied_again(client, other):
    await client.put_many((str(number), b"old") for number in range(40))
    changed = False

    async def change(progress):
        nonlocal changed
        if progress.phase == "copying" and not changed:
            changed = True
            await client.update("7", b"new", DAY)
            await client.attach_tag("8", "tag")
            await client.remove("9")
            await client.int_put("9", 9)

    result = await copy(client, other, progress=change)
    found = await contents(other)
    assert found["7"][1] == b"new"
    assert found["8"][3] == ["tag"]
    assert found["9"][:2] in (("integer", 9), ("blob", b"old"))
    assert result.changed >= 2


async def test_what_never_comes_to_rest_is_an_error_that_names_it(other):
    await other.put_many([("a", b"0"), ("b", b"0")])
    place = f"embedded:{uuid.uuid4().hex}?mode=memory"
    spy = SpyEngine(EmbeddedEngine(place))
    session = EmbeddedEngine(place).connect()
    numbers = itertools.count(1)

    def change(call):
        if call.name == "read_entries":
            session.blob_update("a", b"%d" % next(numbers), 0)

    spy.before = change
    async with AsyncRawClient(place, engine=spy) as target:
        with pytest.raises(TransferMismatch, match="1 entries") as caught:
            await copy(other, target)
        assert caught.value.aliases == ("a",)
        assert await target.get("b") == b"0"
        assert await target.exists(MARKER)
    assert next(numbers) > 3


async def test_what_has_expired_is_left_out(timed_store):
    clock = timed_store.clock
    async with (
        AsyncRawClient(timed_store.place, **timed_store.options) as source,
        AsyncRawClient("embedded:", clock=lambda: clock.now() / 1000 + 7200) as target,
    ):
        await source.put("a", b"1", datetime.timedelta(hours=1))
        await source.put("b", b"1")
        result = await copy(source, target)
        assert (result.entries, result.written, result.expired) == (2, 1, 1)
        assert await contents(target) == {"b": ("blob", b"1", None, [])}


async def test_what_makes_a_document_whole_comes_last(client, other):
    await other.upload(io.BytesIO(DOCUMENT), "a", slice_size=1 << 16)
    await other.put("later", b"made after the document")
    manifest = next(each for each in await contents(other) if each.endswith(".json"))
    seen = []

    async def look(progress):
        if progress.phase == "copying":
            seen.append((await client.exists(manifest), await client.exists("later")))

    await copy(other, client, progress=look)
    assert seen[0][0] is False
    assert seen[-1] == (True, True)
    assert all(later for manifest, later in seen if manifest)


async def test_a_call_that_fails_and_may_pass_is_repeated():
    faults = Faults()
    engine = FaultyEngine(EmbeddedEngine("embedded:"), faults)
    async with AsyncRawClient("embedded:") as source, AsyncRawClient("x:1", engine=engine) as there:
        await fill(source)
        for operation in ("put", "walk_entries", "read_entries", "find", "attach_tags"):
            faults.fail(operation, ConnectionFailed, times=1)
        await copy(source, there)
        assert await contents(there) == await contents(source)


async def test_tags_that_are_entries_of_another_type_are_an_error(client, other):
    await other.put("a", b"1")
    await other.attach_tag("a", "tag")
    await client.put("tag", b"no tag")
    with pytest.raises(IncompatibleType, match="no tag"):
        await copy(other, client)
    assert await client.get("tag") == b"no tag"


async def test_wrong_arguments_change_nothing(client, other):
    await other.put("a", b"1")
    with pytest.raises(ValueError, match="existing must be"):
        await copy(other, client, existing="no")
    with pytest.raises(TypeError, match="client"):
        await copy("embedded:", client)
    with pytest.raises(TypeError, match="progress"):
        await copy(other, client, progress=3)
    assert await contents(client) == {}
