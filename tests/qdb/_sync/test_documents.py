# Generated from tests/qdb/_async/test_documents.py by tools/generate_sync.py; do not edit.

import io
import uuid

import pytest

from storekit import qdb
from storekit.qdb import (
    Client,
    DocumentDamaged,
    DocumentIncomplete,
    RawClient,
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


def downloaded(client, key, **options):
    copy = io.BytesIO()
    info = client.download(key, copy, **options)
    return copy.getvalue(), info


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("in_flight", [1, 3])
def test_what_is_uploaded_is_downloaded(store, size, in_flight):
    with RawClient(store.place) as client:
        key = client.upload(io.BytesIO(document(size)), slice_size=10, in_flight=in_flight)
        content, info = downloaded(client, key, in_flight=in_flight)
        assert content == document(size)
        assert (info.key, info.size, info.slices) == (key, size, -(-size // 10))
        assert info == client.document_info(key)


def test_client_that_pickles_stores_the_same_documents(store):
    with Client(store.place) as client, RawClient(store.place) as raw:
        client.upload(io.BytesIO(b"ab"), KEY, slice_size=1)
        assert downloaded(client, KEY)[0] == b"ab"
        assert downloaded(raw, KEY)[0] == b"ab"
        assert raw.get(KEY.hex + "1") == b"b"


def test_files_are_named_by_their_paths(store, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(document(45))
    with RawClient(store.place) as client:
        client.upload(source, KEY, slice_size=10)
        client.download(str(KEY), str(copy))
    assert copy.read_bytes() == document(45)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "source"]


def test_pieces_may_be_of_any_size(store):
    def pieces():
        for size in (3, 25, 0, 1, 16):
            yield b"x" * size

    with RawClient(store.place) as client:
        client.upload(pieces(), KEY, slice_size=10)
        client.upload([b"ab", b"", b"c"], uuid.UUID(int=8), slice_size=10)
        assert downloaded(client, KEY)[0] == b"x" * 45
        assert downloaded(client, uuid.UUID(int=8))[0] == b"abc"


def test_progress_is_told_in_bytes(store, tmp_path):
    source, seen = tmp_path / "source", []
    source.write_bytes(document(45))
    with RawClient(store.place) as client:
        client.upload(
            source,
            KEY,
            slice_size=10,
            in_flight=2,
            progress=lambda *so_far: seen.append(so_far),
        )
        assert seen == [(20, 45), (40, 45), (45, 45)]
        seen.clear()
        downloaded(client, KEY, in_flight=2, progress=lambda *so_far: seen.append(so_far))
        assert seen == [(20, 45), (40, 45), (45, 45)]


def test_upload_that_broke_off_is_not_to_be_downloaded_and_can_be_resumed(store):
    with RawClient(store.place) as client:
        with pytest.raises(Broken):
            client.upload(BreaksAt(document(45), 35), KEY, slice_size=10, in_flight=1)
        with pytest.raises(DocumentIncomplete, match=str(KEY)):
            downloaded(client, KEY)
        client.upload(io.BytesIO(document(45)), KEY, slice_size=10, resume=True)
        assert downloaded(client, KEY)[0] == document(45)


@pytest.mark.parametrize("same", [0, 1])
def test_resuming_with_other_content_trusts_nothing_that_changed(store, same):
    size = 2048  # noted as stored from here on
    content, end = document(4 * size + 5), 3 * size + 5
    other = content[: same * size] + b"z" * len(content)
    options = {"slice_size": size, "in_flight": 1}
    with RawClient(store.place) as client:
        with pytest.raises(Broken):
            client.upload(BreaksAt(content, end), KEY, **options)
        with pytest.raises(Broken):
            client.upload(BreaksAt(other, end - size), KEY, resume=True, **options)
        client.upload(io.BytesIO(content), KEY, resume=True, **options)
        assert downloaded(client, KEY)[0] == content


def test_shorter_document_leaves_nothing_of_the_one_before(store):
    with RawClient(store.place) as client:
        client.upload(io.BytesIO(document(101)), KEY, slice_size=10)
        client.upload(io.BytesIO(document(15)), KEY, slice_size=10)
        assert client.prefix_get(KEY.hex) == [KEY.hex + end for end in (".json", "0", "1")]
        assert downloaded(client, KEY)[0] == document(15)


def test_documents_of_the_old_example_are_downloaded(store):
    with RawClient(store.place) as client:
        for number in range(12):
            client.update(KEY.hex + str(number), b"%03d" % number)
        content, info = downloaded(client, KEY)
        assert content == b"".join(b"%03d" % number for number in range(12))
        assert (info.size, info.slices, info.checksum) == (36, 12, None)
        assert client.document_info(KEY) == info
        client.remove_document(KEY)
        assert client.prefix_get(KEY.hex) == []


def test_document_that_is_not_there(store):
    with RawClient(store.place) as client:
        for call in (client.document_info, client.remove_document):
            with pytest.raises(qdb.AliasNotFound):
                call(KEY)
        with pytest.raises(qdb.AliasNotFound):
            downloaded(client, KEY)


def test_damage_is_noticed_and_leaves_no_file(store, tmp_path):
    with RawClient(store.place) as client:
        client.upload(io.BytesIO(document(45)), KEY, slice_size=10)
        client.update(KEY.hex + "3", document(10))
        with pytest.raises(DocumentDamaged, match="slice 3"):
            client.download(KEY, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        client.remove(KEY.hex + "3")
        with pytest.raises(DocumentDamaged, match=r"slice 3 .* is missing"):
            client.download(KEY, tmp_path / "copy")
        client.update(KEY.hex + ".json", b'{"version":1}')
        with pytest.raises(DocumentDamaged, match="manifest"):
            client.download(KEY, tmp_path / "copy")


@pytest.mark.parametrize("kept", [0, 5, 10, 29, 45, 60])
def test_download_goes_on_with_what_is_right(store, tmp_path, kept):
    part, fetched = tmp_path / "copy.part", []
    part.write_bytes(document(100)[:kept])
    with RawClient(store.place) as client:
        client.upload(io.BytesIO(document(45)), KEY, slice_size=10)
        client.download(
            KEY,
            tmp_path / "copy",
            in_flight=2,
            resume=True,
            progress=lambda *so_far: fetched.append(so_far),
        )
    assert (tmp_path / "copy").read_bytes() == document(45)
    assert not part.exists()
    assert fetched[:1] in ([], [(min(kept // 10 * 10 + 20, 45), 45)])


def test_removing_a_document_leaves_nothing(store):
    with RawClient(store.place) as client:
        client.put("other", b"1")
        client.upload(io.BytesIO(document(101)), KEY, slice_size=10)
        with pytest.raises(Broken):
            client.upload(BreaksAt(document(45), 35), uuid.UUID(int=8), slice_size=10)
        client.remove_document(KEY)
        client.remove_document(uuid.UUID(int=8))
        assert client.prefix_get(KEY.hex) == []
        assert [alias for alias, _ in client] == ["other"]


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
def test_wrong_arguments_of_uploads(store, arguments, options, error):
    with RawClient(store.place) as client:
        with pytest.raises(error):
            client.upload(*arguments, **options)
        assert [alias for alias, _ in client] == []


def test_wrong_target_of_a_download(store):
    with RawClient(store.place) as client:
        client.upload(io.BytesIO(b"a"), KEY)
        with pytest.raises(TypeError):
            client.download(KEY, 7)
        with pytest.raises(OSError, match="nowhere"):
            client.download(KEY, "/nowhere/at/all")
