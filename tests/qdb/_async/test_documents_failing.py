"""Uploads that end early, of documents that nobody knows the key of."""

import io
import uuid

import pytest

from storekit import qdb
from storekit.qdb import AsyncRawClient
from storekit.qdb.errors import ErrorCode, error_for
from tests.support.qdb_spy import spy_on

SIZE = 2048
CONTENT = bytes(range(256)) * 40


class Broken(Exception):
    pass


class Interrupted(BaseException):
    """Stands for what a signal handler raises."""


def broken():
    for start in range(0, 5 * SIZE, SIZE):
        yield CONTENT[start : start + SIZE]
    raise Broken


class ReadsText(io.BytesIO):
    def read(self, size=-1):
        return "text" if self.tell() > 3 * SIZE else super().read(size)


class ReadsTooMuch(io.BytesIO):
    def read(self, size=-1):
        return super().read(size + 1 if self.tell() >= SIZE else size)


def fails(done, total):
    if done > 2 * SIZE:
        raise Broken


def stops(done, total):
    raise Interrupted


async def left_in(client):
    return [alias async for alias, _ in client]


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        (broken, {}, Broken),
        (lambda: iter([CONTENT, "text"]), {}, TypeError),
        (lambda: iter([CONTENT, None]), {}, TypeError),
        (lambda: ReadsText(CONTENT), {}, TypeError),
        (lambda: ReadsTooMuch(CONTENT), {}, ValueError),
        (lambda: io.BytesIO(CONTENT), {"progress": fails}, Broken),
        (lambda: io.BytesIO(CONTENT), {"progress": stops}, Interrupted),
        (lambda: io.BytesIO(CONTENT), {"progress": "p"}, TypeError),
        (lambda: io.BytesIO(CONTENT), {"expiry_time": "soon"}, TypeError),
        (lambda: io.BytesIO(CONTENT), {"in_flight": 0}, ValueError),
        (lambda: 5, {}, TypeError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or ",".join(value),
)
async def test_nothing_stays_of_an_upload_that_failed_and_has_no_key(store, source, options, error):
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(error) as caught:
            await client.upload(source(), slice_size=SIZE, **options)
        assert await left_in(client) == []
        assert not hasattr(caught.value, "__notes__") or caught.value.__notes__ == []


async def test_what_has_a_key_stays_to_be_resumed(store):
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(Broken):
            await client.upload(broken(), "name", slice_size=SIZE)
        assert await left_in(client) != []
        await client.upload(io.BytesIO(CONTENT), "name", slice_size=SIZE, resume=True)
        assert (await client.document_info("name")).size == len(CONTENT)


async def test_whatever_call_of_the_store_is_the_last_nothing_stays(store):
    for number in range(1, 100):
        spy = spy_on(store)

        def fail(call, spy=spy, number=number):
            if len(spy.calls) == number:
                raise Broken

        async with AsyncRawClient(store.place, engine=spy) as client:
            spy.before = fail
            try:
                await client.upload(io.BytesIO(CONTENT), slice_size=SIZE)
            except Broken:
                pass
            else:
                break
        async with AsyncRawClient(store.place) as client:
            assert await left_in(client) == [], number
    assert number > 10


async def test_the_error_names_the_key_where_nothing_can_be_removed(store):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:

        def refuse(call):
            if call.name == "prefix_get":
                raise error_for(ErrorCode.UNAVAILABLE)

        spy.before = refuse
        with pytest.raises(Broken) as caught:
            await client.upload(broken(), slice_size=SIZE)
        key = caught.value.__notes__[0].partition("remove_document('")[2].partition("'")[0]
        spy.before = lambda call: None
        await client.remove_document(uuid.UUID(key))
        assert await left_in(client) == []


async def test_an_interruption_while_things_are_removed_names_the_key(store):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:

        def stop(call):
            if call.name == "prefix_get":
                raise Interrupted

        spy.before = stop
        with pytest.raises(Interrupted) as caught:
            await client.upload(broken(), slice_size=SIZE)
        assert "remove_document(" in caught.value.__notes__[0]


async def test_a_source_that_fails_at_once_asks_nothing_of_the_store(store):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:
        with pytest.raises(TypeError):
            await client.upload(io.StringIO("text"))
        assert spy.calls == []
        with pytest.raises(qdb.AliasNotFound):
            await client.document_info("name")
