# Generated from tests/transfer/_async/test_copy.py by tools/generate_sync.py; do not edit.

"""Copying all entries of one store into another, embedded or over the C library."""

import datetime
import io
import itertools
import uuid

import pytest

from storekit.qdb import (
    AliasAlreadyExists,
    Client,
    ConnectionFailed,
    IncompatibleType,
    RawClient,
)
from storekit.qdb.embedded import EmbeddedEngine
from storekit.testing import Faults
from storekit.testing.engine import FaultyEngine
from storekit.transfer import TransferMismatch, TransferUnfinished
from storekit.transfer._sync.copying import copy
from tests.support.qdb_spy import SpyEngine
from tests.transfer._sync.filling import DAY, DOCUMENT, contents, fill

MARKER = "storekit/transfer"


@pytest.fixture
def other():
    """An empty embedded store."""
    with RawClient("embedded:") as client:
        yield client


@pytest.fixture
def client(store):
    """An empty store of each engine in turn."""
    with RawClient(store.place, **store.options) as client:
        yield client


def test_a_copy_has_all_that_the_source_has_there_and_back(client, other):
    fill(other)
    before = contents(other)
    result = copy(other, client)
    assert result.entries == len(before) > 40
    assert result.written + result.unchanged == len(before)  # tags come with what has them
    assert contents(client) == before
    assert contents(other) == before
    with RawClient("embedded:") as third:
        assert copy(client, third).content_bytes == result.content_bytes
        assert contents(third) == before
        out = io.BytesIO()
        third.download("a document", out)
        assert out.getvalue() == DOCUMENT
        assert [info.key for info in third.documents()] == ["a document"]


def test_values_of_a_codec_come_as_they_are(client):
    with Client("embedded:") as objects, Client("embedded:") as target:
        objects.put(("any", 1), {"a": [1, 2]})
        objects.put("json", {"a": 1}, codec="json")
        copy(objects, client)
        copy(client, target)
        assert target.get(("any", 1)) == {"a": [1, 2]}
        assert target.get("json", codec="json") == {"a": 1}


def test_an_empty_store_is_copied(client, other):
    result = copy(client, other)
    assert result.entries == 0
    assert contents(other) == {}


def test_many_entries_come_each_once(client, other):
    count = 1200
    client.put_many((str(number), b"%d" % number) for number in range(count))
    told = []
    result = copy(client, other, progress=told.append)
    assert result.written == count
    assert other.get("1199") == b"1199"
    assert [each.entries for each in told if each.phase == "copying"][-1] == count
    assert [each.entries for each in told if each.phase == "verifying"][-1] == count
    assert result.content_bytes == told[-1].content_bytes == sum(len(str(n)) for n in range(count))


def test_what_is_there_and_the_same_is_no_conflict(client, other):
    fill(other)
    copy(other, client)
    result = copy(other, client)
    assert result.written == result.entries - result.unchanged
    assert result.unchanged > 40


def test_what_is_there_and_is_another_ends_the_copy_and_stays(client, other):
    other.put("a", b"new")
    client.put("a", b"old")
    with pytest.raises(AliasAlreadyExists, match="overwrite") as caught:
        copy(other, client)
    assert caught.value.alias == "a"
    assert client.get("a") == b"old"
    assert client.exists(MARKER)


@pytest.mark.parametrize("there", ["another type", "another expiry", "another tag"])
def test_type_expiry_and_tags_count_for_what_is_the_same(client, other, there):
    other.put("a", b"1")
    if there == "another type":
        client.int_put("a", 1)
    elif there == "another expiry":
        client.put("a", b"1", DAY)
    else:
        client.put("a", b"1")
        client.attach_tag("a", "kept")
    before = contents(client)
    with pytest.raises(AliasAlreadyExists):
        copy(other, client)
    client.remove(MARKER)
    assert contents(client) == before
    result = copy(other, client, existing="skip")
    assert (result.written, result.skipped) == (0, 1)
    assert contents(client) == before
    result = copy(other, client, existing="overwrite")
    assert (result.written, result.skipped) == (1, 0)
    assert contents(client)["a"] == ("blob", b"1", None, [])


def test_a_store_says_that_it_is_not_whole_while_it_is_copied_into(client, other):
    other.put("a", b"1")
    marked = []

    def look(progress):
        marked.append(client.exists(MARKER))

    copy(other, client, progress=look)
    assert marked
    assert all(marked)
    assert not client.exists(MARKER)


def test_what_was_broken_off_is_refused_until_it_is_resumed(client, other):
    fill(other)

    class Enough(Exception):
        pass

    def stop(progress):
        raise Enough

    with pytest.raises(Enough):
        copy(other, client, progress=stop)
    with pytest.raises(TransferUnfinished, match="copy from 'embedded:'"):
        copy(other, client)
    with RawClient("embedded:") as third:
        with pytest.raises(TransferUnfinished, match="not whole"):
            copy(client, third)
        assert contents(third) == {}
    result = copy(other, client, resume=True)
    assert result.unchanged > 0
    assert contents(client) == contents(other)


def test_resuming_finishes_entries_and_leaves_what_is_another(client, other):
    other.put("half", b"1", DAY)
    other.attach_tag("half", "tag")
    other.put("taken", b"new")
    client.put("half", b"1")
    client.put(MARKER, b"{}")
    client.put("taken", b"old")
    with pytest.raises(AliasAlreadyExists) as caught:
        copy(other, client, resume=True)
    assert caught.value.alias == "taken"
    assert client.get("taken") == b"old"
    copy(other, client, resume=True, existing="overwrite")
    assert contents(client) == contents(other)


def test_the_last_to_take_over_is_the_one_that_finishes(client, other):
    other.put("a", b"1")

    def take_over(progress):
        client.update(MARKER, b"{}")

    with pytest.raises(TransferUnfinished, match="took over"):
        copy(other, client, progress=take_over)
    assert client.exists(MARKER)


def test_what_changes_meanwhile_is_copied_again(client, other):
    client.put_many((str(number), b"old") for number in range(40))
    changed = False

    def change(progress):
        nonlocal changed
        if progress.phase == "copying" and not changed:
            changed = True
            client.update("7", b"new", DAY)
            client.attach_tag("8", "tag")
            client.remove("9")
            client.int_put("9", 9)

    result = copy(client, other, progress=change)
    found = contents(other)
    assert found["7"][1] == b"new"
    assert found["8"][3] == ["tag"]
    assert found["9"][:2] in (("integer", 9), ("blob", b"old"))
    assert result.changed >= 2


def test_what_never_comes_to_rest_is_an_error_that_names_it(other):
    other.put_many([("a", b"0"), ("b", b"0")])
    place = f"embedded:{uuid.uuid4().hex}?mode=memory"
    spy = SpyEngine(EmbeddedEngine(place))
    session = EmbeddedEngine(place).connect()
    numbers = itertools.count(1)

    def change(call):
        if call.name == "read_entries":
            session.blob_update("a", b"%d" % next(numbers), 0)

    spy.before = change
    with RawClient(place, engine=spy) as target:
        with pytest.raises(TransferMismatch, match="1 entries") as caught:
            copy(other, target)
        assert caught.value.aliases == ("a",)
        assert target.get("b") == b"0"
        assert target.exists(MARKER)
    assert next(numbers) > 3


def test_what_has_expired_is_left_out(timed_store):
    clock = timed_store.clock
    with (
        RawClient(timed_store.place, **timed_store.options) as source,
        RawClient("embedded:", clock=lambda: clock.now() / 1000 + 7200) as target,
    ):
        source.put("a", b"1", datetime.timedelta(hours=1))
        source.put("b", b"1")
        result = copy(source, target)
        assert (result.entries, result.written, result.expired) == (2, 1, 1)
        assert contents(target) == {"b": ("blob", b"1", None, [])}


def test_what_makes_a_document_whole_comes_last(client, other):
    other.upload(io.BytesIO(DOCUMENT), "a", slice_size=1 << 16)
    other.put("later", b"made after the document")
    manifest = next(each for each in contents(other) if each.endswith(".json"))
    seen = []

    def look(progress):
        if progress.phase == "copying":
            seen.append((client.exists(manifest), client.exists("later")))

    copy(other, client, progress=look)
    assert seen[0][0] is False
    assert seen[-1] == (True, True)
    assert all(later for manifest, later in seen if manifest)


def test_a_call_that_fails_and_may_pass_is_repeated():
    faults = Faults()
    engine = FaultyEngine(EmbeddedEngine("embedded:"), faults)
    with RawClient("embedded:") as source, RawClient("x:1", engine=engine) as there:
        fill(source)
        for operation in ("put", "walk_entries", "read_entries", "find", "attach_tags"):
            faults.fail(operation, ConnectionFailed, times=1)
        copy(source, there)
        assert contents(there) == contents(source)


def test_tags_that_are_entries_of_another_type_are_an_error(client, other):
    other.put("a", b"1")
    other.attach_tag("a", "tag")
    client.put("tag", b"no tag")
    with pytest.raises(IncompatibleType, match="no tag"):
        copy(other, client)
    assert client.get("tag") == b"no tag"


def test_wrong_arguments_change_nothing(client, other):
    other.put("a", b"1")
    with pytest.raises(ValueError, match="existing must be"):
        copy(other, client, existing="no")
    with pytest.raises(TypeError, match="client"):
        copy("embedded:", client)
    with pytest.raises(TypeError, match="progress"):
        copy(other, client, progress=3)
    assert contents(client) == {}
