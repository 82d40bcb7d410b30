# Generated from tests/transfer/_async/test_dump.py by tools/generate_sync.py; do not edit.

"""All entries of a store into one file, and out of it again."""

import io
import os
import uuid

import pytest

from storekit.qdb import AliasAlreadyExists, RawClient
from storekit.qdb.embedded import EmbeddedEngine
from storekit.transfer import DumpDamaged, TransferMismatch, TransferUnfinished
from storekit.transfer._sync.dumping import check_dump, dump, restore
from tests.support.qdb_spy import SpyEngine
from tests.transfer._sync.filling import DAY, DOCUMENT, contents, fill

MARKER = "storekit/transfer"


@pytest.fixture
def client(store):
    """An empty store of each engine in turn."""
    with RawClient(store.place, **store.options) as client:
        yield client


@pytest.fixture
def other():
    """An empty embedded store."""
    with RawClient("embedded:") as client:
        yield client


class Enough(Exception):
    pass


def stop(progress):
    raise Enough


@pytest.mark.parametrize("compression", ["zlib", "zstd", "none"])
def test_a_dump_has_all_that_the_store_has(client, other, tmp_path, compression):
    fill(client)
    path = tmp_path / "store.dump"
    written = dump(client, path, compression=compression)
    before = contents(client)
    assert written.entries == len(before)
    assert written == check_dump(path)
    result = restore(path, other)
    assert (result.entries, result.content_bytes) == (len(before), written.content_bytes)
    assert contents(other) == before
    out = io.BytesIO()
    other.download("a document", out)
    assert out.getvalue() == DOCUMENT
    assert [each.name for each in tmp_path.iterdir()] == ["store.dump"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_dump_is_restored_into_a_cluster(client, other):
    fill(other)
    stream = io.BytesIO()
    dump(other, stream)
    stream.seek(0)
    restore(stream, client)
    assert contents(client) == contents(other)
    assert not stream.closed


def test_an_empty_store_has_a_dump(other, tmp_path):
    info = dump(other, tmp_path / "x")
    assert (info.entries, info.source) == (0, "embedded:")
    assert restore(tmp_path / "x", other).entries == 0


def test_a_pipe_is_enough(client, other):
    client.put("a", b"1")
    stream = io.BytesIO()
    dump(client, stream)
    reader, writer = os.pipe()
    os.write(writer, stream.getvalue())
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as source:
        assert restore(source, other).written == 1
    assert other.get("a") == b"1"


def test_contents_of_any_size_come_back(other, tmp_path):
    sizes = [0, 1, (1 << 20) - 30, (1 << 20) - 24, 1 << 20, (1 << 20) + 1, (3 << 20) + 5]
    for size in sizes:
        other.put(f"zeros {size}", bytes(size))
        other.put(f"noise {size}", os.urandom(size))
    dump(other, tmp_path / "x")
    with RawClient("embedded:") as third:
        restore(tmp_path / "x", third)
        assert contents(third) == contents(other)


def test_a_file_that_is_there_is_replaced_only_on_demand(other, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="replace"):
        dump(other, path)
    assert path.read_bytes() == b"precious"
    dump(other, path, replace=True)
    check_dump(path)
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="pipe"):
        dump(other, tmp_path / "pipe", replace=True)


def test_the_file_that_is_there_stays_until_the_dump_is_whole(other, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"precious")
    fill(other)
    with pytest.raises(Enough):
        dump(other, path, replace=True, progress=stop)
    assert path.read_bytes() == b"precious"


def test_a_dump_that_was_broken_off_is_refused_and_can_be_resumed(client, other, tmp_path):
    fill(client, small=1200)
    path = tmp_path / "x"

    def later(progress):
        if progress.entries > 600:
            raise Enough

    with pytest.raises(Enough):
        dump(client, path, progress=later)
    part = tmp_path / "x.part"
    assert not path.exists()
    with pytest.raises(DumpDamaged, match="cut short"):
        check_dump(part)
    with pytest.raises(DumpDamaged, match="cut short"):
        restore(part, other)
    assert contents(other) == {}
    was = part.stat().st_size
    part.write_bytes(part.read_bytes() + b"half a block")
    told = []
    info = dump(client, path, resume=True, progress=told.append)
    assert not part.exists()
    assert path.stat().st_size > was
    assert info.entries == len(contents(client))
    assert told[-1].entries < info.entries - 600  # the rest was there
    restore(path, other)
    assert contents(other) == contents(client)


def test_without_resume_a_dump_begins_anew(client, tmp_path):
    fill(client)
    (tmp_path / "x.part").write_bytes(b"something else")
    dump(client, tmp_path / "x")
    assert check_dump(tmp_path / "x").entries > 40
    (tmp_path / "y.part").write_bytes(b"something else")
    dump(client, tmp_path / "y", resume=True)
    assert check_dump(tmp_path / "y").entries > 40


def test_one_dump_at_a_time_writes_a_file(other, tmp_path):
    fill(other)

    def another(progress):
        with pytest.raises(BlockingIOError, match="another dump"):
            dump(other, tmp_path / "x")

    dump(other, tmp_path / "x", progress=another)
    assert check_dump(tmp_path / "x").entries > 40


def test_nothing_of_a_damaged_file_is_restored(client, other, tmp_path):
    fill(client, small=1200)
    path = tmp_path / "x"
    dump(client, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        DumpDamaged, match=r"checksum.* \(at byte \d+, after \d+ entries\)"
    ) as caught:
        restore(path, other)
    assert 0 < caught.value.offset < len(data) // 2
    assert contents(other) == {}


def test_a_damaged_stream_leaves_a_store_that_is_marked(other):
    stream = io.BytesIO()
    with RawClient("embedded:") as source:
        source.put_many((str(number), b"1") for number in range(1200))
        dump(source, stream)
        data = stream.getvalue()

        class Once(io.BytesIO):
            def seekable(self):
                return False

        with pytest.raises(DumpDamaged) as caught:
            restore(Once(data[: len(data) - 100]), other)
        assert caught.value.entry > 0
        assert other.exists(MARKER)
        with pytest.raises(TransferUnfinished, match="restore"):
            dump(other, io.BytesIO())
        with pytest.raises(TransferUnfinished):
            restore(Once(data), other)
        restore(Once(data), other, resume=True)
        assert contents(other) == contents(source)


def test_what_is_there_is_left_skipped_or_overwritten(client, other):
    other.put("a", b"new", DAY)
    other.put("b", b"new")
    stream = io.BytesIO()
    dump(other, stream)
    stream.seek(0)
    client.put("a", b"old")
    with pytest.raises(AliasAlreadyExists):
        restore(stream, client)
    assert client.get("a") == b"old"
    stream.seek(0)
    result = restore(stream, client, existing="skip", resume=True)
    assert result.skipped == 1
    assert client.get("a") == b"old"
    assert client.get("b") == b"new"
    stream.seek(0)
    restore(stream, client, existing="overwrite")
    assert contents(client) == contents(other)


def test_what_has_expired_since_is_left_out(timed_store):
    clock = timed_store.clock
    with RawClient(timed_store.place, **timed_store.options) as client:
        client.put("a", b"1", clock.now() / 1000 + 3600)
        client.put("b", b"1")
        stream = io.BytesIO()
        assert dump(client, stream).entries == 2
        client.remove("a")
        client.remove("b")
        clock.sleep(2 * 3600 * 1000)
        stream.seek(0)
        result = restore(stream, client)
        assert (result.written, result.expired) == (1, 1)
        assert client.exists("b")


def test_what_is_written_is_read_back(other):
    other.put("a", b"0")
    stream = io.BytesIO()
    dump(other, stream)
    stream.seek(0)
    place = f"embedded:{uuid.uuid4().hex}?mode=memory"
    spy = SpyEngine(EmbeddedEngine(place))
    session = EmbeddedEngine(place).connect()

    def lose(call):
        if call.name == "run_joined" and call.arguments[0][0].alias == "a":
            session.blob_update("a", b"1", 0)

    spy.after = lose
    with RawClient(place, engine=spy) as target:
        with pytest.raises(TransferMismatch, match="'a'"):
            restore(stream, target)
        assert target.exists(MARKER)


def test_wrong_arguments(other, tmp_path):
    with pytest.raises(TypeError, match="binary file"):
        dump(other, 3)
    with pytest.raises(ValueError, match="compression"):
        dump(other, tmp_path / "x", compression="rar")
    with pytest.raises(ValueError, match="resumed"):
        dump(other, io.BytesIO(), resume=True)
    with pytest.raises(FileNotFoundError):
        dump(other, tmp_path / "none" / "x")
    with pytest.raises(FileNotFoundError):
        restore(tmp_path / "none", other)
    with pytest.raises(TypeError):
        restore(3, other)
    with pytest.raises(ValueError, match="existing"):
        restore(tmp_path / "x", other, existing=True)
    assert [*tmp_path.iterdir()] == []
