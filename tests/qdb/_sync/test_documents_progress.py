# Generated from tests/qdb/_async/test_documents_progress.py by tools/generate_sync.py; do not edit.

"""Who is told how far a document is."""

import io
import sys
import uuid

import pytest

from storekit import qdb
from storekit.core.seam._sync import sleep
from storekit.qdb import RawClient

KEY = uuid.UUID(int=7)


class Pipe(io.RawIOBase):
    """A file that can't tell how much is to come."""

    def __init__(self, content):
        self.content = io.BytesIO(content)

    def read(self, size=-1):
        return self.content.read(size)


class Lies(io.BytesIO):
    """A file that says that there is less, or more, than there is."""

    def __init__(self, content, end):
        super().__init__(content)
        self.end = end

    def seek(self, offset, whence=0):
        return self.end if whence == 2 else super().seek(offset, whence)


def at(file, position):
    file.seek(position)
    return file


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (io.BytesIO, [(0, 0)]),
        (lambda: io.BytesIO(b"abc"), [(2, 3), (3, 3)]),
        (lambda: at(io.BytesIO(b"abcde"), 2), [(2, 3), (3, 3)]),
        (lambda: at(io.BytesIO(b"abc"), 3), [(0, 0)]),
        (lambda: at(io.BytesIO(b"abc"), 9), [(0, 0)]),
        (lambda: at(io.BufferedReader(io.BytesIO(b"abcde")), 1), [(2, 4), (4, 4)]),
        (lambda: Pipe(b"abc"), [(2, None), (3, None), (3, 3)]),
        (lambda: iter([b"abc"]), [(2, None), (3, None), (3, 3)]),
        (lambda: Lies(b"abc", 1), [(2, 2), (3, 3)]),
        (lambda: Lies(b"abc", 9), [(2, 9), (3, 9), (3, 3)]),
        (lambda: Lies(b"abc", "end"), [(2, None), (3, None), (3, 3)]),
    ],
)
def test_the_last_call_of_an_upload_has_the_size_twice(store, source, expected):
    seen = []
    with RawClient(store.place) as client:
        client.upload(
            source(), slice_size=2, in_flight=1, progress=lambda *so_far: seen.append(so_far)
        )
    assert seen == expected


@pytest.mark.parametrize("content", [b"", b"abcde"])
@pytest.mark.parametrize("to", ["path", "file"])
@pytest.mark.parametrize("resume", [False, True])
def test_the_last_call_of_a_download_has_the_size_twice(store, tmp_path, content, to, resume):
    seen = []
    with RawClient(store.place) as client:
        client.upload(io.BytesIO(content), KEY, slice_size=2)
        target = tmp_path / "copy" if to == "path" else io.BytesIO()
        (tmp_path / "copy.part").write_bytes(content)
        client.download(KEY, target, resume=resume, progress=lambda *so_far: seen.append(so_far))
    assert seen[-1] == (len(content), len(content))
    assert len(seen) == len(set(seen))


def test_documents_without_a_manifest_end_with_their_size(store):
    seen = []
    with RawClient(store.place) as client:
        for number in range(3):
            client.update(KEY.hex + str(number), b"ab")
        client.download(KEY, io.BytesIO(), progress=lambda *so_far: seen.append(so_far))
    assert seen[-2:] == [(6, None), (6, 6)]


@pytest.mark.parametrize("progress", ["p", 5, [1], True])
def test_what_is_no_function_is_refused_before_anything_is_done(store, tmp_path, progress):
    with RawClient(store.place) as client:
        with pytest.raises(TypeError, match="progress"):
            client.upload(io.BytesIO(b"ab"), progress=progress)
        assert [alias for alias, _ in client] == []
        client.upload(io.BytesIO(b"ab"), KEY)
        with pytest.raises(TypeError, match="progress"):
            client.download(KEY, tmp_path / "copy", progress=progress)
    assert list(tmp_path.iterdir()) == []


def test_progress_may_wait(store):
    seen = []

    def tell(done, total):
        sleep(0)
        seen.append((done, total))

    with RawClient(store.place) as client:
        client.upload(io.BytesIO(b"abc"), KEY, slice_size=2, in_flight=1, progress=tell)
        client.download(KEY, io.BytesIO(), in_flight=1, progress=tell)
    assert seen == [(2, 3), (3, 3)] * 2


def test_a_bar_is_drawn(store, capsys):
    with RawClient(store.place) as client:
        client.upload(io.BytesIO(b"x" * 2048), "my document", progress=qdb.bar)
        client.download("my document", io.BytesIO(), progress=qdb.bar)
        client.upload(io.BytesIO(), KEY, progress=qdb.bar)
        with pytest.raises(TypeError):
            client.upload(iter([b"x" * 100, "text"]), slice_size=10, progress=qdb.bar)
    drawn = capsys.readouterr().err
    assert drawn.count("'my document'") >= 2
    assert "2.00k/2.00k" in drawn
    assert repr(qdb.bar) == "storekit.qdb.bar"


def test_without_its_package_the_bar_says_what_to_install(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with RawClient(store.place) as client:
        with pytest.raises(ModuleNotFoundError, match=r"storekit\[progress\]"):
            client.upload(io.BytesIO(b"ab"), progress=qdb.bar)
        assert [alias for alias, _ in client] == []
