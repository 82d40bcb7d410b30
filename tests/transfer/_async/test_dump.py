"""All entries of a store into one file, and out of it again."""

import io
import os
import uuid

import pytest

from storekit.qdb import AliasAlreadyExists, AsyncRawClient
from storekit.qdb.embedded import EmbeddedEngine
from storekit.transfer import DumpDamaged, TransferMismatch, TransferUnfinished
from storekit.transfer._async.dumping import check_dump, dump, restore
from tests.support.qdb_spy import SpyEngine
from tests.transfer._async.filling import DAY, DOCUMENT, contents, fill

MARKER = "storekit/transfer"


@pytest.fixture
async def client(store):
    """An empty store of each engine in turn."""
    async with AsyncRawClient(store.place, **store.options) as client:
        yield client


@pytest.fixture
async def other():
    """An empty embedded store."""
    async with AsyncRawClient("embedded:") as client:
        yield client


class Enough(Exception):
    pass


async def stop(progress):
    raise Enough


@pytest.mark.parametrize("compression", ["zlib", "zstd", "none"])
async def test_a_dump_has_all_that_the_store_has(client, other, tmp_path, compression):
    await fill(client)
    path = tmp_path / "store.dump"
    written = await dump(client, path, compression=compression)
    before = await contents(client)
    assert written.entries == len(before)
    assert written == await check_dump(path)
    result = await restore(path, other)
    assert (result.entries, result.content_bytes) == (len(before), written.content_bytes)
    assert await contents(other) == before
    out = io.BytesIO()
    await other.download("a document", out)
    assert out.getvalue() == DOCUMENT
    assert [each.name for each in tmp_path.iterdir()] == ["store.dump"]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_dump_is_restored_into_a_cluster(client, other):
    await fill(other)
    stream = io.BytesIO()
    await dump(other, stream)
    stream.seek(0)
    await restore(stream, client)
    assert await contents(client) == await contents(other)
    assert not stream.closed


async def test_an_empty_store_has_a_dump(other, tmp_path):
    info = await dump(other, tmp_path / "x")
    assert (info.entries, info.source) == (0, "embedded:")
    assert (await restore(tmp_path / "x", other)).entries == 0


async def test_a_pipe_is_enough(client, other):
    await client.put("a", b"1")
    stream = io.BytesIO()
    await dump(client, stream)
    reader, writer = os.pipe()
    os.write(writer, stream.getvalue())
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as source:
        assert (await restore(source, other)).written == 1
    assert await other.get("a") == b"1"


async def test_contents_of_any_size_come_back(other, tmp_path):
    sizes = [0, 1, (1 << 20) - 30, (1 << 20) - 24, 1 << 20, (1 << 20) + 1, (3 << 20) + 5]
    for size in sizes:
        await other.put(f"zeros {size}", bytes(size))
        await other.put(f"noise {size}", os.urandom(size))
    await dump(other, tmp_path / "x")
    async with AsyncRawClient("embedded:") as third:
        await restore(tmp_path / "x", third)
        assert await contents(third) == await contents(other)


async def test_a_file_that_is_there_is_replaced_only_on_demand(other, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="replace"):
        await dump(other, path)
    assert path.read_bytes() == b"precious"
    await dump(other, path, replace=True)
    await check_dump(path)
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="pipe"):
        await dump(other, tmp_path / "pipe", replace=True)


async def test_the_file_that_is_there_stays_until_the_dump_is_whole(other, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"precious")
    await fill(other)
    with pytest.raises(Enough):
        await dump(other, path, replace=True, progress=stop)
    assert path.read_bytes() == b"precious"


async def test_a_dump_that_was_broken_off_is_refused_and_can_be_resumed(client, other, tmp_path):
    await fill(client, small=1200)
    path = tmp_path / "x"

    async def later(progress):
        if progress.entries > 600:
            raise Enough

    with pytest.raises(Enough):
        await dump(client, path, progress=later)
    part = tmp_path / "x.part"
    assert not path.exists()
    with pytest.raises(DumpDamaged, match="cut short"):
        await check_dump(part)
    with pytest.raises(DumpDamaged, match="cut short"):
        await restore(part, other)
    assert await contents(other) == {}
    was = part.stat().st_size
    part.write_bytes(part.read_bytes() + b"half a block")
    told = []
    info = await dump(client, path, resume=True, progress=told.append)
    assert not part.exists()
    assert path.stat().st_size > was
    assert info.entries == len(await contents(client))
    assert told[-1].entries < info.entries - 600  # the rest was there
    await restore(path, other)
    assert await contents(other) == await contents(client)


async def test_without_resume_a_dump_begins_anew(client, tmp_path):
    await fill(client)
    (tmp_path / "x.part").write_bytes(b"something else")
    await dump(client, tmp_path / "x")
    assert (await check_dump(tmp_path / "x")).entries > 40
    (tmp_path / "y.part").write_bytes(b"something else")
    await dump(client, tmp_path / "y", resume=True)
    assert (await check_dump(tmp_path / "y")).entries > 40


async def test_one_dump_at_a_time_writes_a_file(other, tmp_path):
    await fill(other)

    async def another(progress):
        with pytest.raises(BlockingIOError, match="another dump"):
            await dump(other, tmp_path / "x")

    await dump(other, tmp_path / "x", progress=another)
    assert (await check_dump(tmp_path / "x")).entries > 40


async def test_nothing_of_a_damaged_file_is_restored(client, other, tmp_path):
    await fill(client, small=1200)
    path = tmp_path / "x"
    await dump(client, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        DumpDamaged, match=r"checksum.* \(at byte \d+, after \d+ entries\)"
    ) as caught:
        await restore(path, other)
    assert 0 < caught.value.offset < len(data) // 2
    assert await contents(other) == {}


async def test_a_damaged_stream_leaves_a_store_that_is_marked(other):
    stream = io.BytesIO()
    async with AsyncRawClient("embedded:") as source:
        await source.put_many((str(number), b"1") for number in range(1200))
        await dump(source, stream)
        data = stream.getvalue()

        class Once(io.BytesIO):
            def seekable(self):
                return False

        with pytest.raises(DumpDamaged) as caught:
            await restore(Once(data[: len(data) - 100]), other)
        assert caught.value.entry > 0
        assert await other.exists(MARKER)
        with pytest.raises(TransferUnfinished, match="restore"):
            await dump(other, io.BytesIO())
        with pytest.raises(TransferUnfinished):
            await restore(Once(data), other)
        await restore(Once(data), other, resume=True)
        assert await contents(other) == await contents(source)


async def test_what_is_there_is_left_skipped_or_overwritten(client, other):
    await other.put("a", b"new", DAY)
    await other.put("b", b"new")
    stream = io.BytesIO()
    await dump(other, stream)
    stream.seek(0)
    await client.put("a", b"old")
    with pytest.raises(AliasAlreadyExists):
        await restore(stream, client)
    assert await client.get("a") == b"old"
    stream.seek(0)
    result = await restore(stream, client, existing="skip", resume=True)
    assert result.skipped == 1
    assert await client.get("a") == b"old"
    assert await client.get("b") == b"new"
    stream.seek(0)
    await restore(stream, client, existing="overwrite")
    assert await contents(client) == await contents(other)


async def test_what_has_expired_since_is_left_out(timed_store):
    clock = timed_store.clock
    async with AsyncRawClient(timed_store.place, **timed_store.options) as client:
        await client.put("a", b"1", clock.now() / 1000 + 3600)
        await client.put("b", b"1")
        stream = io.BytesIO()
        assert (await dump(client, stream)).entries == 2
        await client.remove("a")
        await client.remove("b")
        clock.sleep(2 * 3600 * 1000)
        stream.seek(0)
        result = await restore(stream, client)
        assert (result.written, result.expired) == (1, 1)
        assert await client.exists("b")


async def test_what_is_written_is_read_back(other):
    await other.put("a", b"0")
    stream = io.BytesIO()
    await dump(other, stream)
    stream.seek(0)
    place = f"embedded:{uuid.uuid4().hex}?mode=memory"
    spy = SpyEngine(EmbeddedEngine(place))
    session = EmbeddedEngine(place).connect()

    def lose(call):
        if call.name == "run_joined" and call.arguments[0][0].alias == "a":
            session.blob_update("a", b"1", 0)

    spy.after = lose
    async with AsyncRawClient(place, engine=spy) as target:
        with pytest.raises(TransferMismatch, match="'a'"):
            await restore(stream, target)
        assert await target.exists(MARKER)


async def test_wrong_arguments(other, tmp_path):
    with pytest.raises(TypeError, match="binary file"):
        await dump(other, 3)
    with pytest.raises(ValueError, match="compression"):
        await dump(other, tmp_path / "x", compression="rar")
    with pytest.raises(ValueError, match="resumed"):
        await dump(other, io.BytesIO(), resume=True)
    with pytest.raises(FileNotFoundError):
        await dump(other, tmp_path / "none" / "x")
    with pytest.raises(FileNotFoundError):
        await restore(tmp_path / "none", other)
    with pytest.raises(TypeError):
        await restore(3, other)
    with pytest.raises(ValueError, match="existing"):
        await restore(tmp_path / "x", other, existing=True)
    assert [*tmp_path.iterdir()] == []
