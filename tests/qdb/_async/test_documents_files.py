"""Files that documents come from and go to."""

import io
import os
import stat
import uuid

import pytest

from storekit import qdb
from storekit.qdb import AsyncRawClient, DocumentDamaged
from storekit.qdb.documents import paths
from storekit.qdb.documents._async.files import AsyncTarget
from storekit.qdb.documents.manifest import Manifest, digest_of
from tests.support.qdb_spy import spy_on

KEY = uuid.UUID(int=7)
CONTENT = bytes(range(45))
MANIFEST = Manifest(10, 20, (digest_of(b"a" * 10), digest_of(b"b" * 10)))


class ReadElsewhere:
    """A file that does not need a thread to be read."""

    def __init__(self, content):
        self.file = io.BytesIO(content)

    async def read(self, size=-1):
        return self.file.read(min(size, 7))


class WrittenElsewhere:
    """A file that does not need a thread to be written, and takes less than it is given."""

    def __init__(self):
        self.content = b""

    async def write(self, content):
        self.content += content[:7]
        return min(len(content), 7)


class Raw(io.RawIOBase):
    """A file that takes less than it is given."""

    def __init__(self):
        self.content = b""

    def write(self, content):
        self.content += bytes(content[:3])
        return min(len(content), 3)


async def test_files_of_the_world_that_the_client_lives_in(store):
    async with AsyncRawClient(store.place) as client:
        for content in (CONTENT, b"", CONTENT[:10]):
            copy = WrittenElsewhere()
            await client.upload(ReadElsewhere(content), KEY, slice_size=10)
            await client.download(KEY, copy)
            assert copy.content == content


async def test_file_of_that_world_is_left_alone_when_an_upload_breaks_off(store):
    class Breaks(ReadElsewhere):
        async def read(self, size=-1):
            if self.file.tell() > 20:
                raise EOFError
            return await super().read(size)

    async with AsyncRawClient(store.place) as client:
        with pytest.raises(EOFError):
            await client.upload(Breaks(CONTENT), KEY, slice_size=10)


async def test_files_that_take_less_than_they_are_given(store):
    async with AsyncRawClient(store.place) as client:
        copy = Raw()
        await client.upload(io.BytesIO(CONTENT), KEY, slice_size=10)
        await client.download(KEY, copy)
        assert copy.content == CONTENT


@pytest.mark.parametrize("source", [["text"], [b"ab", 5], [None], io.StringIO("text")])
async def test_what_is_not_made_of_bytes_is_refused(store, source):
    async with AsyncRawClient(store.place) as client:
        with pytest.raises(TypeError, match="made of bytes"):
            await client.upload(source)


async def test_file_that_has_nothing_yet_is_not_taken_for_one_that_has_ended(store):
    class Waits:
        def __init__(self):
            self.pieces = [b"0123456789", None, b"more"]

        def read(self, size):
            return self.pieces.pop(0)

    async with AsyncRawClient(store.place) as client:
        with pytest.raises(TypeError, match="made of bytes, not of NoneType"):
            await client.upload(Waits(), KEY, slice_size=10)


async def test_file_that_does_not_say_how_much_it_took(store):
    class Odd:
        def write(self, content):
            return "all"

    async with AsyncRawClient(store.place) as client:
        await client.upload(io.BytesIO(CONTENT), KEY)
        with pytest.raises(TypeError, match="number of bytes written"):
            await client.download(KEY, Odd())


async def test_directory_is_refused_before_anything_is_read(store, tmp_path):
    spy = spy_on(store)
    async with AsyncRawClient(store.place, engine=spy) as client:
        for path in (tmp_path, str(tmp_path), ""):
            with pytest.raises(IsADirectoryError):
                await client.download(KEY, path)
        assert spy.calls == []
        with pytest.raises(qdb.AliasNotFound):
            await client.download(KEY, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


async def test_download_that_breaks_off_leaves_a_file_only_to_be_resumed(store, tmp_path):
    async with AsyncRawClient(store.place) as client:
        await client.upload(io.BytesIO(CONTENT), KEY, slice_size=10)
        await client.update(KEY.hex + "4", b"wrong")
        for resume, left in ((False, []), (True, ["copy.part"])):
            with pytest.raises(DocumentDamaged):
                await client.download(KEY, tmp_path / "copy", resume=resume, in_flight=1)
            assert [path.name for path in tmp_path.iterdir()] == left
        await client.update(KEY.hex + "4", CONTENT[40:])
        seen = []
        await client.download(
            KEY, tmp_path / "copy", resume=True, progress=lambda *so_far: seen.append(so_far)
        )
        assert seen == [(45, 45)]
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert (tmp_path / "copy").read_bytes() == CONTENT


async def test_two_downloads_to_one_path_do_not_mix(tmp_path):
    path = tmp_path / "copy"
    first, second = AsyncTarget(path, keep=False), AsyncTarget(path, keep=False)
    await first.open(MANIFEST)
    await second.open(MANIFEST)
    await first.write([b"a" * 10])
    await second.write([b"c" * 30])
    await first.write([b"b" * 10])
    await first.finish(MANIFEST)
    await first.aclose()
    assert path.read_bytes() == b"a" * 10 + b"b" * 10
    await second.aclose()
    assert [each.name for each in tmp_path.iterdir()] == ["copy"]


@pytest.mark.skipif(paths.fcntl is None, reason="there are no locks of files")
async def test_one_download_at_a_time_goes_on_with_a_file(tmp_path):
    path = tmp_path / "copy"
    first, second = AsyncTarget(path, keep=True), AsyncTarget(path, keep=True)
    assert await first.open(MANIFEST) == 0
    with pytest.raises(BlockingIOError, match=r"another download .*copy\.part"):
        await second.open(MANIFEST)
    await first.write([b"a" * 10])
    await first.aclose()
    assert await second.open(MANIFEST) == 1
    await second.write([b"b" * 10])
    await second.finish(MANIFEST)
    await second.aclose()
    assert path.read_bytes() == b"a" * 10 + b"b" * 10


@pytest.mark.skipif(paths.fcntl is None, reason="there are no locks of files")
async def test_file_that_was_finished_between_opening_and_locking_is_not_gone_on_with(
    tmp_path, monkeypatch
):
    path, part = tmp_path / "copy", tmp_path / "copy.part"
    part.write_bytes(b"whole")
    lock = paths.fcntl.flock

    def late(file, how):
        lock(file, how)
        if not path.exists():
            part.replace(path)

    monkeypatch.setattr(paths.fcntl, "flock", late)
    target = AsyncTarget(path, keep=True)
    await target.open(None)
    await target.write([b"other"])
    assert path.read_bytes() == b"whole"
    await target.finish(None)
    await target.aclose()
    assert path.read_bytes() == b"other"


async def test_without_locks_a_file_that_another_download_spoilt_gets_no_name(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(paths, "fcntl", None)
    path, content = tmp_path / "copy", b"a" * 100_000  # more than stays in memory
    manifest = Manifest(100_000, 100_000, (digest_of(content),))
    first, second = AsyncTarget(path, keep=True), AsyncTarget(path, keep=True)
    await first.open(manifest)
    await second.open(manifest)
    await first.write([content])
    await second.write([b"c"])
    await second.aclose()
    with pytest.raises(BlockingIOError, match="another download"):
        await first.finish(manifest)
    await first.aclose()
    assert not path.exists()
    third = AsyncTarget(path, keep=True)
    await third.open(manifest)
    await third.write([content])
    await third.finish(manifest)
    await third.aclose()
    assert path.read_bytes() == content


async def test_target_that_is_closed_while_it_is_being_opened_leaves_nothing(tmp_path):
    target = AsyncTarget(tmp_path / "copy", keep=False)
    await target.aclose()
    await target.open(MANIFEST)  # by a thread that nobody waits for any more
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="directories can't be opened")
@pytest.mark.parametrize("error", [None, 22])
async def test_name_of_the_file_is_durable(tmp_path, monkeypatch, error):
    synced = []

    def sync(descriptor):
        kind = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((kind, (tmp_path / "copy").exists()))
        if kind and error is not None:
            raise OSError(error, "not here")

    monkeypatch.setattr(os, "fsync", sync)
    target = AsyncTarget(tmp_path / "copy", keep=False)
    await target.open(None)
    await target.finish(None)
    await target.aclose()
    assert synced == [(False, False), (True, True)]


async def test_directory_that_fails_to_be_durable_is_told(tmp_path, monkeypatch):
    def sync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", sync)
    target = AsyncTarget(tmp_path / "copy", keep=False)
    await target.open(None)
    with pytest.raises(OSError, match="Input/output"):
        await target.finish(None)
    await target.aclose()
