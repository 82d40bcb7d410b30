"""Whatever may be at the path of a download."""

import io
import os
import stat
import sys
import threading
import uuid

import pytest

from storekit.qdb import AsyncRawClient, DocumentDamaged

HAS_FULL_DEVICE = os.path.exists("/dev/full")
KEY = uuid.UUID(int=7)
CONTENT = bytes(range(256)) * 10

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files of POSIX")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can do this"
)


@pytest.fixture
async def client(store):
    async with AsyncRawClient(store.place) as client:
        await client.upload(io.BytesIO(CONTENT), KEY, slice_size=1000)
        yield client


@pytest.fixture(params=[False, True], ids=["", "resume"])
def resume(request):
    return request.param


def mode_of(path):
    return stat.S_IMODE(path.lstat().st_mode)


async def refused(client, path, *, resume, match=None):
    """See that a download is refused with an OSError."""
    with pytest.raises(OSError, match=match):
        await client.download(KEY, path, resume=resume)


@pytest.mark.parametrize("there", [True, False], ids=["", "dangling"])
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
async def test_a_link_is_followed_and_stays(client, tmp_path, resume, there, relative):
    (tmp_path / "elsewhere").mkdir()
    real, link, other = tmp_path / "elsewhere" / "real", tmp_path / "link", tmp_path / "other"
    if there:
        real.write_bytes(b"old")
        real.chmod(0o640)
    other.symlink_to("elsewhere/real" if relative else real)
    link.symlink_to(other)  # a link to a link
    await client.download(KEY, link, resume=resume)
    assert link.is_symlink()
    assert other.is_symlink()
    assert not real.is_symlink()
    assert real.read_bytes() == CONTENT
    assert not there or mode_of(real) == 0o640
    assert sorted(path.name for path in real.parent.iterdir()) == ["real"]


async def test_links_in_a_circle_are_refused(client, tmp_path, resume):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    await refused(client, tmp_path / "a", resume=resume)
    (tmp_path / "up").symlink_to(tmp_path)
    await refused(client, tmp_path / "up", resume=resume)


async def test_a_link_in_the_way_to_a_file_is_followed(client, tmp_path, resume):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    await client.download(KEY, tmp_path / "link" / "copy", resume=resume)
    assert (tmp_path / "real" / "copy").read_bytes() == CONTENT


async def test_all_names_of_a_file_have_its_new_content(client, tmp_path, resume):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"old" * 5000)
    one.chmod(0o604)
    other.hardlink_to(one)
    await client.download(KEY, one, resume=resume)
    assert one.read_bytes() == other.read_bytes() == CONTENT
    assert one.samefile(other)
    assert mode_of(one) == 0o604
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o660, 0o777, 0o640, 0o2755])
async def test_a_file_that_is_there_keeps_its_mode(client, tmp_path, resume, mode):
    path = tmp_path / "copy"
    path.write_bytes(b"old")
    path.chmod(mode)
    before = path.stat()
    await client.download(KEY, path, resume=resume)
    assert path.read_bytes() == CONTENT
    assert mode_of(path) == mode
    assert (path.stat().st_uid, path.stat().st_gid) == (before.st_uid, before.st_gid)


async def test_what_is_there_before_the_file_is_whole_is_as_private_as_it(
    client, tmp_path, resume, monkeypatch
):
    path, modes = tmp_path / "copy", []
    path.write_bytes(b"old")
    path.chmod(0o600)

    def look(done, total):
        (part,) = tmp_path.glob("copy*.part")
        modes.append(mode_of(part))

    before = os.umask(0)
    try:
        await client.download(KEY, path, resume=resume, progress=look)
    finally:
        os.umask(before)
    assert set(modes) == {0o600}


@pytest.mark.parametrize("mask", [0o022, 0o077])
async def test_a_new_file_has_the_mode_of_new_files(client, tmp_path, resume, mask):
    before = os.umask(mask)
    try:
        await client.download(KEY, tmp_path / "copy", resume=resume)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "copy") == 0o666 & ~mask


@as_root
async def test_a_file_of_somebody_else_stays_theirs(client, tmp_path, resume):
    path = tmp_path / "copy"
    path.write_bytes(b"old")
    os.chown(path, 12345, 54321)
    path.chmod(0o4750)
    await client.download(KEY, path, resume=resume)
    found = path.stat()
    assert (found.st_uid, found.st_gid, mode_of(path)) == (12345, 54321, 0o4750)


async def test_a_fifo_is_written_to(client, tmp_path, resume):
    path, got = tmp_path / "fifo", []
    os.mkfifo(path)
    read_end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write_end = os.open(path, os.O_WRONLY)  # lest the reader see an end before the beginning
    os.set_blocking(read_end, True)

    def read():
        with open(read_end, "rb") as file:
            got.append(file.read())

    reader = threading.Thread(target=read)
    reader.start()
    await client.download(KEY, path, resume=resume)
    os.close(write_end)
    reader.join()
    assert got == [CONTENT]
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert [each.name for each in tmp_path.iterdir()] == ["fifo"]


async def test_a_fifo_that_nobody_reads_is_refused(client, tmp_path, resume):
    os.mkfifo(tmp_path / "fifo")
    await refused(client, tmp_path / "fifo", resume=resume)
    assert stat.S_ISFIFO((tmp_path / "fifo").lstat().st_mode)


async def test_a_device_is_written_to(client, tmp_path, resume):
    await client.download(KEY, os.devnull, resume=resume)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    (tmp_path / "null").symlink_to(os.devnull)
    await client.download(KEY, tmp_path / "null", resume=resume)
    assert (tmp_path / "null").is_symlink()
    if HAS_FULL_DEVICE:
        await refused(client, "/dev/full", resume=resume)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="open files have no paths here")
async def test_an_open_file_by_its_number_is_written_to(client, tmp_path, resume):
    with (tmp_path / "open").open("w+b") as file:
        (tmp_path / "open").unlink()
        await client.download(KEY, f"/dev/fd/{file.fileno()}", resume=resume)
        file.seek(0)
        assert file.read() == CONTENT
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [245, 250, 251, 255])
@pytest.mark.parametrize("letter", ["n", "é"])
async def test_every_name_that_the_file_system_takes_works(
    client, tmp_path, resume, length, letter
):
    path = tmp_path / (letter * (length // len(letter.encode())))
    if resume:  # and is found again
        await client.update(KEY.hex + "2", b"wrong")
        with pytest.raises(DocumentDamaged):
            await client.download(KEY, path, resume=True, in_flight=1)
        await client.update(KEY.hex + "2", CONTENT[2000:])
    seen = []
    await client.download(
        KEY, path, resume=resume, in_flight=1, progress=lambda *so_far: seen.append(so_far)
    )
    assert path.read_bytes() == CONTENT
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert len(seen) <= (2 if resume else 3)


async def test_a_name_that_is_too_long_is_refused(client, tmp_path, resume):
    await refused(client, tmp_path / ("n" * 256), resume=resume)
    assert list(tmp_path.iterdir()) == []


# What somebody else may have put where a download that can be resumed keeps its file


def link_to(victim, part):
    part.symlink_to(victim)


def second_name_of(victim, part):
    part.hardlink_to(victim)


def dangling(victim, part):
    part.symlink_to(victim.with_name("nowhere"))


def fifo(victim, part):
    os.mkfifo(part)


def directory(victim, part):
    part.mkdir()


@pytest.mark.parametrize("plant", [link_to, second_name_of, dangling, fifo, directory])
@pytest.mark.parametrize("there", [False, True])
async def test_nothing_but_its_own_file_is_written_to(client, tmp_path, plant, there):
    path, victim = tmp_path / "copy", tmp_path / "victim"
    victim.write_bytes(b"precious")
    if there:
        path.write_bytes(b"old")
    plant(victim, tmp_path / "copy.part")
    await refused(client, path, resume=True)
    assert victim.read_bytes() == b"precious"
    assert not path.is_symlink()
    assert not path.exists() or path.read_bytes() == b"old"
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "copy.part").rmdir() if plant is directory else (tmp_path / "copy.part").unlink()
    await client.download(KEY, path, resume=True)
    assert path.read_bytes() == CONTENT


@as_root
async def test_a_file_of_somebody_else_is_not_gone_on_with(client, tmp_path):
    part = tmp_path / "copy.part"
    part.write_bytes(CONTENT[:1000])
    os.chown(part, 12345, 12345)
    await refused(client, tmp_path / "copy", resume=True, match="another user")


async def test_what_comes_in_its_place_meanwhile_gets_no_name(client, tmp_path):
    path, victim = tmp_path / "copy", tmp_path / "victim"
    victim.write_bytes(b"precious")

    def swap(done, total):
        part = tmp_path / "copy.part"
        if not part.is_symlink():
            part.unlink()
            part.symlink_to(victim)

    with pytest.raises(OSError, match="temporary file was replaced"):
        await client.download(KEY, path, resume=True, progress=swap)
    assert not path.exists()
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("kind", [fifo, directory, link_to])
async def test_what_comes_to_the_path_meanwhile_is_not_replaced(client, tmp_path, resume, kind):
    path, victim = tmp_path / "copy", tmp_path / "victim"
    victim.write_bytes(b"precious")

    def come(done, total):
        if not os.path.lexists(path):
            kind(victim, path)

    with pytest.raises(OSError):
        await client.download(KEY, path, resume=resume, progress=come)
    assert not stat.S_ISREG(path.lstat().st_mode)
    assert victim.read_bytes() == b"precious"
