"""Downloads of documents that change meanwhile."""

import io
import uuid

import pytest

from storekit import qdb
from storekit.qdb import AsyncRawClient, DocumentDamaged, DocumentIncomplete
from tests.qdb._async.changing import (
    KEY,
    OURS,
    SLICE,
    SOON,
    THEIRS,
    BreaksOff,
    Broken,
    downloaded,
    uploaded,
)
from tests.support.qdb_spy import spy_on

# Downloads


def at_slice(spy, number, change):
    """Have something done before a slice is read."""

    def before(call):
        asked = {alias for argument in call.arguments for alias in _aliases(argument)}
        if KEY.hex + str(number) in asked:
            spy.before = lambda call: None
            change()

    spy.before = before


def _aliases(argument):
    if isinstance(argument, str):
        return [argument]
    if isinstance(argument, list | tuple):
        return [each if isinstance(each, str) else each.alias for each in argument]
    return []


async def test_download_of_what_is_removed_meanwhile_finds_no_document(store):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:
        await uploaded(client, OURS)

        def remove():
            with qdb.RawClient(store.place) as other:
                other.remove_document(KEY)

        at_slice(spy, 4, remove)
        with pytest.raises(qdb.AliasNotFound, match=r"^download .* during the download"):
            await downloaded(client)


async def test_download_of_what_expires_meanwhile_finds_no_document(timed_store):
    spy = spy_on(timed_store)
    options = {**timed_store.options, "engine": spy}
    async with AsyncRawClient(timed_store.place, **options) as client:
        await uploaded(client, OURS, expiry_time=SOON)
        at_slice(spy, 4, lambda: timed_store.clock.sleep(61_000))
        with pytest.raises(qdb.AliasNotFound, match="during the download"):
            await downloaded(client)


@pytest.mark.parametrize("content", [THEIRS, THEIRS[: 2 * SLICE]])
async def test_download_of_what_is_replaced_meanwhile_is_to_be_repeated(store, content):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:
        await uploaded(client, OURS)

        def replace():
            with qdb.RawClient(store.place) as other:
                other.upload(io.BytesIO(content), KEY, slice_size=SLICE)

        at_slice(spy, 4, replace)
        with pytest.raises(DocumentIncomplete, match="download it again"):
            await downloaded(client)
        assert await downloaded(client) == content


async def test_download_of_what_is_being_replaced_is_told_so(store):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:
        await uploaded(client, OURS)

        def begin():
            with qdb.RawClient(store.place) as other, pytest.raises(Broken):
                other.upload(BreaksOff(b"n" * len(OURS), 5 * SLICE), KEY, slice_size=SLICE)

        at_slice(spy, 3, begin)
        with pytest.raises(DocumentIncomplete, match="running"):
            await downloaded(client)


async def test_download_without_a_manifest_notices_removal_and_upload(store):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:

        def remove():
            with qdb.RawClient(store.place) as other:
                other.remove_document(KEY)

        def replace():
            with qdb.RawClient(store.place) as other:
                other.upload(io.BytesIO(THEIRS), KEY, slice_size=SLICE)

        for change, error in ((remove, qdb.AliasNotFound), (replace, DocumentIncomplete)):
            for number in range(6):
                await client.update(KEY.hex + str(number), b"seed")
            at_slice(spy, 3, change)
            with pytest.raises(error):
                await downloaded(client)


async def test_damage_is_damage_if_nobody_changed_the_document(store):
    async with AsyncRawClient(store.place) as client:
        await uploaded(client, OURS)
        await client.update(KEY.hex + "2", b"x" * SLICE)
        with pytest.raises(DocumentDamaged, match=r"slice 2 .* upload it again"):
            await downloaded(client)


class Watching:
    """Notes the operations that it is told of."""

    def __init__(self):
        self.operations = set()

    def start(self, *arguments, **options):
        self.operations.add(arguments[0].operation)

    def retry(self, *arguments, **options):
        pass

    def end(self, *arguments, **options):
        pass


async def test_errors_and_observers_name_the_method_that_was_called(store):
    watching = Watching()
    async with AsyncRawClient(store.place, observers=[watching]) as client:
        await uploaded(client, OURS)
        assert watching.operations == {"upload"}
        for method in ("document_info", "remove_document"):
            watching.operations.clear()
            await getattr(client, method)(KEY)
            assert watching.operations == {method}
            with pytest.raises(qdb.AliasNotFound, match=f"^{method} "):
                await getattr(client, method)(uuid.UUID(int=8))
        with pytest.raises(qdb.AliasNotFound, match=r"^download "):
            await downloaded(client)
