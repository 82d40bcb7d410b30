# Generated from tests/qdb/_async/test_documents_files.py by tools/generate_sync.py; do not edit.

"""Files that documents come from and go to."""

import io
import os
import stat
import uuid

import pytest

from storekit import qdb
from storekit.qdb import DocumentDamaged, RawClient
from storekit.qdb.documents import paths
from storekit.qdb.documents._sync.files import Target
from storekit.qdb.documents.manifest import Manifest, digest_of
from tests.support.qdb_spy import spy_on

KEY = uuid.UUID(int=7)
CONTENT = bytes(range(45))
MANIFEST = Manifest(10, 20, (digest_of(b"a" * 10), digest_of(b"b" * 10)))


class ReadElsewhere:
    """A file that does not need a thread to be read."""

    def __init__(self, content):
        self.file = io.BytesIO(content)

    def read(self, size=-1):
        return self.file.read(min(size, 7))


class WrittenElsewhere:
    """A file that does not need a thread to be written, and takes less than it is given."""

    def __init__(self):
        self.content = b""

    def write(self, content):
        self.content += content[:7]
        return min(len(content), 7)


class Raw(io.RawIOBase):
    """A file that takes less than it is given."""

    def __init__(self):
        self.content = b""

    def write(self, content):
        self.content += bytes(content[:3])
        return min(len(content), 3)


def test_files_of_the_world_that_the_client_lives_in(store):
    with RawClient(store.place) as client:
        for content in (CONTENT, b"", CONTENT[:10]):
            copy = WrittenElsewhere()
            client.upload(ReadElsewhere(content), KEY, slice_size=10)
            client.download(KEY, copy)
            assert copy.content == content


def test_file_of_that_world_is_left_alone_when_an_upload_breaks_off(store):
    class Breaks(ReadElsewhere):
        def read(self, size=-1):
            if self.file.tell() > 20:
                raise EOFError
            return super().read(size)

    with RawClient(store.place) as client:
        with pytest.raises(EOFError):
            client.upload(Breaks(CONTENT), KEY, slice_size=10)


def test_files_that_take_less_than_they_are_given(store):
    with RawClient(store.place) as client:
        copy = Raw()
        client.upload(io.BytesIO(CONTENT), KEY, slice_size=10)
        client.download(KEY, copy)
        assert copy.content == CONTENT


@pytest.mark.parametrize("source", [["text"], [b"ab", 5], [None], io.StringIO("text")])
def test_what_is_not_made_of_bytes_is_refused(store, source):
    with RawClient(store.place) as client:
        with pytest.raises(TypeError, match="made of bytes"):
            client.upload(source)


def test_file_that_has_nothing_yet_is_not_taken_for_one_that_has_ended(store):
    class Waits:
        def __init__(self):
            self.pieces = [b"0123456789", None, b"more"]

        def read(self, size):
            return self.pieces.pop(0)

    with RawClient(store.place) as client:
        with pytest.raises(TypeError, match="made of bytes, not of NoneType"):
            client.upload(Waits(), KEY, slice_size=10)


def test_file_that_does_not_say_how_much_it_took(store):
    class Odd:
        def write(self, content):
            return "all"

    with RawClient(store.place) as client:
        client.upload(io.BytesIO(CONTENT), KEY)
        with pytest.raises(TypeError, match="number of bytes written"):
            client.download(KEY, Odd())


def test_directory_is_refused_before_anything_is_read(store, tmp_path):
    spy = spy_on(store)
    with RawClient(store.place, engine=spy) as client:
        for path in (tmp_path, str(tmp_path), ""):
            with pytest.raises(IsADirectoryError):
                client.download(KEY, path)
        assert spy.calls == []
        with pytest.raises(qdb.AliasNotFound):
            client.download(KEY, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_download_that_breaks_off_leaves_a_file_only_to_be_resumed(store, tmp_path):
    with RawClient(store.place) as client:
        client.upload(io.BytesIO(CONTENT), KEY, slice_size=10)
        client.update(KEY.hex + "4", b"wrong")
        for resume, left in ((False, []), (True, ["copy.part"])):
            with pytest.raises(DocumentDamaged):
                client.download(KEY, tmp_path / "copy", resume=resume, in_flight=1)
            assert [path.name for path in tmp_path.iterdir()] == left
        client.update(KEY.hex + "4", CONTENT[40:])
        seen = []
        client.download(
            KEY, tmp_path / "copy", resume=True, progress=lambda *so_far: seen.append(so_far)
        )
        assert seen == [(45, 45)]
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_two_downloads_to_one_path_do_not_mix(tmp_path):
    path = tmp_path / "copy"
    first, second = Target(path, keep=False), Target(path, keep=False)
    first.open(MANIFEST)
    second.open(MANIFEST)
    first.write([b"a" * 10])
    second.write([b"c" * 30])
    first.write([b"b" * 10])
    first.finish(MANIFEST)
    first.close()
    assert path.read_bytes() == b"a" * 10 + b"b" * 10
    second.close()
    assert [each.name for each in tmp_path.iterdir()] == ["copy"]


@pytest.mark.skipif(paths.fcntl is None, reason="there are no locks of files")
def test_one_download_at_a_time_goes_on_with_a_file(tmp_path):
    path = tmp_path / "copy"
    first, second = Target(path, keep=True), Target(path, keep=True)
    assert first.open(MANIFEST) == 0
    with pytest.raises(BlockingIOError, match=r"another download .*copy\.part"):
        second.open(MANIFEST)
    first.write([b"a" * 10])
    first.close()
    assert second.open(MANIFEST) == 1
    second.write([b"b" * 10])
    second.finish(MANIFEST)
    second.close()
    assert path.read_bytes() == b"a" * 10 + b"b" * 10


@pytest.mark.skipif(paths.fcntl is None, reason="there are no locks of files")
def test_file_that_was_finished_between_opening_and_locking_is_not_gone_on_with(
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
    target = Target(path, keep=True)
    target.open(None)
    target.write([b"other"])
    assert path.read_bytes() == b"whole"
    target.finish(None)
    target.close()
    assert path.read_bytes() == b"other"


def test_without_locks_a_file_that_another_download_spoilt_gets_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "fcntl", None)
    path, content = tmp_path / "copy", b"a" * 100_000  # more than stays in memory
    manifest = Manifest(100_000, 100_000, (digest_of(content),))
    first, second = Target(path, keep=True), Target(path, keep=True)
    first.open(manifest)
    second.open(manifest)
    first.write([content])
    second.write([b"c"])
    second.close()
    with pytest.raises(BlockingIOError, match="another download"):
        first.finish(manifest)
    first.close()
    assert not path.exists()
    third = Target(path, keep=True)
    third.open(manifest)
    third.write([content])
    third.finish(manifest)
    third.close()
    assert path.read_bytes() == content


def test_target_that_is_closed_while_it_is_being_opened_leaves_nothing(tmp_path):
    target = Target(tmp_path / "copy", keep=False)
    target.close()
    target.open(MANIFEST)  # by a thread that nobody waits for any more
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="directories can't be opened")
@pytest.mark.parametrize("error", [None, 22])
def test_name_of_the_file_is_durable(tmp_path, monkeypatch, error):
    synced = []

    def sync(descriptor):
        kind = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((kind, (tmp_path / "copy").exists()))
        if kind and error is not None:
            raise OSError(error, "not here")

    monkeypatch.setattr(os, "fsync", sync)
    target = Target(tmp_path / "copy", keep=False)
    target.open(None)
    target.finish(None)
    target.close()
    assert synced == [(False, False), (True, True)]


def test_directory_that_fails_to_be_durable_is_told(tmp_path, monkeypatch):
    def sync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", sync)
    target = Target(tmp_path / "copy", keep=False)
    target.open(None)
    with pytest.raises(OSError, match="Input/output"):
        target.finish(None)
    target.close()
