import io
import uuid

import pytest

from storekit import qdb
from storekit.qdb import (
    AsyncClient,
    AsyncRawClient,
    DocumentDamaged,
    DocumentIncomplete,
)

KEY = uuid.UUID(int=7)
SIZES = [0, 1, 9, 10, 11, 40, 45, 101]


def document(size):
    return bytes(number % 251 for number in range(size))


class Broken(Exception):
    pass


class BreaksAt(io.RawIOBase):
    """A file that gives single bytes, and fails at an offset."""

    def __init__(self, content, offset):
        self.content, self.offset, self.place = content, offset, 0

    def read(self, size=-1):
        if self.place >= self.offset:
            raise Broken
        self.place += 1
        return self.content[self.place - 1 : self.place]


async def downloaded(client, key, **options):
    copy = io.BytesIO()
    info = await client.download(key, copy, **options)
    return copy.getvalue(), info


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("in_flight", [1, 3])
async def test_what_is_uploaded_is_downloaded(store, size, in_flight):
    async with AsyncRawClient(store.place) as client:
        key = await client.upload(io.BytesIO(document(size)), slice_size=10, in_flight=in_flight)
        content, info = await downloaded(client, key, in_flight=in_flight)
        assert content == document(size)
        assert (info.key, info.size, info.slices) == (key, size, -(-size // 10))
        assert info == await client.document_info(key)


async def test_client_that_pickles_stores_the_same_documents(store):
    async with AsyncClient(store.place) as client, AsyncRawClient(store.place) as raw:
        await client.upload(io.BytesIO(b"ab"), KEY, slice_size=1)
        assert (await downloaded(client, KEY))[0] == b"ab"
        assert (await downloaded(raw, KEY))[0] == b"ab"
        assert await raw.get(KEY.hex + "1") == b"b"


async def test_files_are_named_by_their_paths(store, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(document(45))
    async with AsyncRawClient(store.place) as client:
        await client.upload(source, KEY, slice_size=10)
        await client.download(str(KEY), str(copy))
    assert copy.read_bytes() == document(45)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


async def test_pieces_may_be_of_any_size(store):
    async def pieces():
        for size in (3, 25, 0, 1, 16):
            yield b"x" * size

    async with AsyncRawClient(store.place) as client:
        await client.upload(pieces(), KEY, slice_size=10)
        await client.upload([b"ab", b"", b"c"], uuid.UUID(int=8), slice_size=10)
        assert (await downloaded(client, KEY))[0] == b"x" * 45
        assert (await downloaded(client, uuid.UUID(int=8)))[0] == b"abc"


async def test_progress_is_told_in_bytes(store, tmp_path):
    source, seen = tmp_path / "source", []
    source.write_bytes(document(45))
    async with AsyncRawClient(store.place) as client:
        await client.upload(
            source,
            KEY,
            slice_size=10,
            in_flight=2,
            progress=lambda *so_far: seen.append(so_far),
        )
        assert seen == [(20, 45), (40, 45), (45, 45)]
        seen.clear()
        await downloaded(client, KEY, in_flight=2, progress=lambda *so_far: seen.append(so_far))
        assert seen == [(20, 45), (40, 45), (45, 45)]


async def test_upload_that_broke_off_is_not_to_be_downloaded_and_can_be_resumed(store):
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(Broken):
            await client.upload(BreaksAt(document(45), 35), KEY, slice_size=10, in_flight=1)
        with pytest.raises(DocumentIncomplete, match=str(KEY)):
            await downloaded(client, KEY)
        await client.upload(io.BytesIO(document(45)), KEY, slice_size=10, resume=True)
        assert (await downloaded(client, KEY))[0] == document(45)


@pytest.mark.parametrize("same", [0, 1])
async def test_resuming_with_other_content_trusts_nothing_that_changed(store, same):
    size = 2048  # noted as stored from here on
    content, end = document(4 * size + 5), 3 * size + 5
    other = content[: same * size] + b"z" * len(content)
    options = {"slice_size": size, "in_flight": 1}
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(Broken):
            await client.upload(BreaksAt(content, end), KEY, **options)
        with pytest.raises(Broken):
            await client.upload(BreaksAt(other, end - size), KEY, resume=True, **options)
        await client.upload(io.BytesIO(content), KEY, resume=True, **options)
        assert (await downloaded(client, KEY))[0] == content


async def test_shorter_document_leaves_nothing_of_the_one_before(store):
    async with AsyncRawClient(store.place) as client:
        await client.upload(io.BytesIO(document(101)), KEY, slice_size=10)
        await client.upload(io.BytesIO(document(15)), KEY, slice_size=10)
        assert await client.prefix_get(KEY.hex) == [KEY.hex + end for end in (".json", "0", "1")]
        assert (await downloaded(client, KEY))[0] == document(15)


async def test_documents_of_the_old_example_are_downloaded(store):
    async with AsyncRawClient(store.place) as client:
        for number in range(12):
            await client.update(KEY.hex + str(number), b"%03d" % number)
        content, info = await downloaded(client, KEY)
        assert content == b"".join(b"%03d" % number for number in range(12))
        assert (info.size, info.slices, info.checksum) == (36, 12, None)
        assert await client.document_info(KEY) == info
        await client.remove_document(KEY)
        assert await client.prefix_get(KEY.hex) == []


async def test_document_that_is_not_there(store):
    async with AsyncRawClient(store.place) as client:
        for call in (client.document_info, client.remove_document):
            with pytest.raises(qdb.AliasNotFound):
                await call(KEY)
        with pytest.raises(qdb.AliasNotFound):
            await downloaded(client, KEY)


async def test_damage_is_noticed_and_leaves_no_file(store, tmp_path):
    async with AsyncRawClient(store.place) as client:
        await client.upload(io.BytesIO(document(45)), KEY, slice_size=10)
        await client.update(KEY.hex + "3", document(10))
        with pytest.raises(DocumentDamaged, match="slice 3"):
            await client.download(KEY, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        await client.remove(KEY.hex + "3")
        with pytest.raises(DocumentDamaged, match=r"slice 3 .* is missing"):
            await client.download(KEY, tmp_path / "copy")
        await client.update(KEY.hex + ".json", b'{"version":1}')
        with pytest.raises(DocumentDamaged, match="manifest"):
            await client.download(KEY, tmp_path / "copy")


@pytest.mark.parametrize("kept", [0, 5, 10, 29, 45, 60])
async def test_download_goes_on_with_what_is_right(store, tmp_path, kept):
    part, fetched = tmp_path / "copy.part", []
    part.write_bytes(document(100)[:kept])
    async with AsyncRawClient(store.place) as client:
        await client.upload(io.BytesIO(document(45)), KEY, slice_size=10)
        await client.download(
            KEY,
            tmp_path / "copy",
            in_flight=2,
            resume=True,
            progress=lambda *so_far: fetched.append(so_far),
        )
    assert (tmp_path / "copy").read_bytes() == document(45)
    assert not part.exists()
    assert fetched[:1] in ([], [(min(kept // 10 * 10 + 20, 45), 45)])


async def test_removing_a_document_leaves_nothing(store):
    async with AsyncRawClient(store.place) as client:
        await client.put("other", b"1")
        await client.upload(io.BytesIO(document(101)), KEY, slice_size=10)
        with pytest.raises(Broken):
            await client.upload(BreaksAt(document(45), 35), uuid.UUID(int=8), slice_size=10)
        await client.remove_document(KEY)
        await client.remove_document(uuid.UUID(int=8))
        assert await client.prefix_get(KEY.hex) == []
        assert [alias async for alias, _ in client] == ["other"]


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((b"content",), {}, TypeError),
        ((7,), {}, TypeError),
        ((io.StringIO("text"),), {}, TypeError),
        (([1, 2],), {}, TypeError),
        ((io.BytesIO(), 7), {}, TypeError),
        ((io.BytesIO(), ""), {}, ValueError),
        ((io.BytesIO(),), {"slice_size": 0}, ValueError),
        ((io.BytesIO(),), {"slice_size": 1.5}, TypeError),
        ((io.BytesIO(),), {"in_flight": 0}, ValueError),
        ((io.BytesIO(),), {"expiry_time": "soon"}, TypeError),
        ((io.BytesIO(b"abc"),), {"progress": "p"}, TypeError),
    ],
)
async def test_wrong_arguments_of_uploads(store, arguments, options, error):
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(error):
            await client.upload(*arguments, **options)
        assert [alias async for alias, _ in client] == []


async def test_wrong_target_of_a_download(store):
    async with AsyncRawClient(store.place) as client:
        await client.upload(io.BytesIO(b"a"), KEY)
        with pytest.raises(TypeError):
            await client.download(KEY, 7)
        with pytest.raises(OSError, match="nowhere"):
            await client.download(KEY, "/nowhere/at/all")
