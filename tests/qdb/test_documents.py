"""What documents are in the store, and what may be done to them in any order."""

from __future__ import annotations

import io
import itertools
import json
import uuid

import anyio
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from storekit.qdb import (
    AliasNotFound,
    AsyncRawClient,
    DocumentConflict,
    DocumentDamaged,
    DocumentIncomplete,
    RawClient,
)
from storekit.qdb.documents.keys import as_key
from storekit.qdb.documents.manifest import LockRecord, Manifest, digest_of
from storekit.qdb.engine import SessionOptions
from storekit.qdb.location import open_engine
from tests.support.qdb_spy import SpyEngine

KEY = uuid.UUID(int=7)
ID = as_key(KEY)
DIGEST = digest_of(b"")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(DIGEST),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["version", "slice_size", "size", "sha256", "upload", "step", "lists", "ended"]
            ),
            inner,
        )
    ),
)
DUMPED = JSON.map(lambda value: json.dumps(value).encode())
QUICK = settings(deadline=None, suppress_health_check=list(HealthCheck))


def manifest(**changes):
    fields = {"version": 1, "slice_size": 10, "size": 15, "sha256": [DIGEST] * 2, **changes}
    return json.dumps(fields).encode()


def test_manifest_without_an_upload_is_read():
    assert Manifest.load(manifest(), ID) == Manifest(10, 15, (DIGEST, DIGEST))
    assert Manifest.load(manifest(), ID).info(ID).size == 15


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 200_000,
        b"\xff",
        b"[]",
        manifest(version=2),
        manifest(size=-5, sha256=[]),
        manifest(size=True, sha256=[DIGEST]),
        manifest(size=25),
        manifest(slice_size=0),
        manifest(slice_size=10.0),
        manifest(sha256=[DIGEST, "x" * 64]),
        manifest(sha256=[DIGEST, DIGEST[:-2]]),
        manifest(sha256=[DIGEST, DIGEST + "\n"]),
        manifest(sha256=[DIGEST, 5]),
        manifest(sha256=7),
        manifest(upload=5),
        manifest(upload=None),
        manifest(version=True),
        manifest(version=1.0),
        manifest(version="1"),
        manifest(size="15"),
        manifest(size=15.0),
        manifest(size=float("nan")),
        manifest(size=2**63, slice_size=2**63, sha256=[DIGEST]),
        manifest(size=2**2000, slice_size=2**2000, sha256=[DIGEST]),
        manifest(slice_size=True, size=2),
        manifest(slice_size=None),
        manifest(sha256={DIGEST: 1, DIGEST[::-1]: 2}),
        manifest(sha256=DIGEST),
        manifest(sha256=[]),
        manifest(sha256=[DIGEST, DIGEST.upper()]),
        manifest(sha256=[DIGEST, [DIGEST]]),
        manifest(name="another document"),
        manifest(name=5),
        manifest(uploaded="today"),
        manifest(uploaded=-1),
        manifest(uploaded=1.5),
    ],
)
def test_manifest_that_cant_be_read_is_damage(content):
    with pytest.raises(DocumentDamaged, match="upload the document again"):
        Manifest.load(content, ID)


@given(st.binary() | DUMPED)
@QUICK
def test_any_content_is_a_manifest_or_damage(content):
    try:
        loaded = Manifest.load(content, ID)
    except DocumentDamaged:
        return
    loaded.info(ID)


@given(st.binary() | DUMPED)
@example(b"[" * 200_000)
@example(b'{"version":1,"upload":"a","step":1e999,"slice_size":1,"lists":[],"ended":false}')
@QUICK
def test_any_content_is_a_lock_record(content):
    LockRecord.load(content).dump()


def test_manifests_and_lock_records_are_read_as_they_were_written():
    whole = Manifest(10, 15, (DIGEST, DIGEST), "a", None, 1_700_000_000_000)
    assert Manifest.load(whole.dump(), ID) == whole
    record = LockRecord("a", 3, 10, (DIGEST,), ended=True)
    assert LockRecord.load(record.dump()) == record


# Files that other libraries have opened


@pytest.mark.anyio
async def test_files_that_anyio_has_opened(tmp_path):
    (tmp_path / "source").write_bytes(b"content" * 10)
    async with AsyncRawClient("embedded:") as client:
        async with await anyio.open_file(tmp_path / "source", "rb") as source:
            key = await client.upload(source, slice_size=20)
        async with await anyio.open_file(tmp_path / "copy", "wb") as copy:
            await client.download(key, copy)
        assert (tmp_path / "copy").read_bytes() == b"content" * 10
        async with await anyio.open_file(tmp_path / "source") as source:
            with pytest.raises(TypeError, match="made of bytes, not of str"):
                await client.upload(source)


def test_files_that_trio_has_opened(tmp_path):
    trio = pytest.importorskip("trio")
    (tmp_path / "source").write_bytes(b"content" * 10)

    async def main():
        async with AsyncRawClient("embedded:") as client:
            async with await trio.open_file(tmp_path / "source", "rb") as source:
                key = await client.upload(source, slice_size=20)
            async with await trio.open_file(tmp_path / "copy", "wb") as copy:
                await client.download(key, copy)

    trio.run(main)
    assert (tmp_path / "copy").read_bytes() == b"content" * 10


def test_sync_client_refuses_files_that_are_to_be_awaited():
    class Lazy:
        async def read(self, size):
            return b""

        async def write(self, content):
            return len(content)

    with RawClient("embedded:") as client:
        with pytest.raises(TypeError, match="the sync client takes plain functions"):
            client.upload(Lazy())
        key = client.upload(io.BytesIO(b"content"))
        with pytest.raises(TypeError, match="the sync client takes plain functions"):
            client.download(key, Lazy())


# Progress that is awaited


class Seeks:
    """A file that does not need a thread."""

    def __init__(self, content):
        self.file = io.BytesIO(content)

    def seekable(self):
        return True

    async def tell(self):
        return self.file.tell()

    async def seek(self, offset, whence=0):
        return self.file.seek(offset, whence)

    async def read(self, size=-1):
        return self.file.read(size)


@pytest.mark.anyio
async def test_what_a_file_of_that_world_has_left_is_known():
    seen = []
    file = Seeks(b"abcde")
    file.file.seek(2)
    async with AsyncRawClient("embedded:") as client:
        await client.upload(file, progress=lambda *so_far: seen.append(so_far))
    assert seen == [(3, 3)]


class Calls:
    """An object that is called."""

    def __init__(self):
        self.seen = []

    async def __call__(self, done, total):
        self.seen.append((done, total))


@pytest.mark.anyio
async def test_what_is_returned_is_awaited():
    class Awaitable:
        def __init__(self, *so_far):
            self.so_far = so_far

        def __await__(self):
            seen.append(self.so_far)
            return iter(())

    async def function(*so_far):
        seen.append(so_far)

    def begins(*so_far):
        return function(*so_far)

    async with AsyncRawClient("embedded:") as client:
        called = Calls()
        seen = called.seen
        for progress in (function, called, begins, Awaitable):
            seen.clear()
            await client.upload(io.BytesIO(b"ab"), KEY, progress=progress)
            await client.download(KEY, io.BytesIO(), progress=progress)
            assert seen == [(2, 2), (2, 2)]


@pytest.mark.parametrize("first", ["upload", "download"])
def test_the_sync_client_takes_plain_functions_for_progress(first):
    async def function(done, total):
        raise AssertionError("nobody waits for this")

    def begins(done, total):
        return function(done, total)

    with RawClient("embedded:") as client:
        client.upload(io.BytesIO(b"ab"), KEY)
        before = sorted(client)
        for progress in (function, Calls(), begins):
            with pytest.raises(TypeError, match="plain functions"):
                if first == "upload":
                    client.upload(io.BytesIO(b"ab"), progress=progress)
                else:
                    client.download(KEY, io.BytesIO(), progress=progress)
        assert sorted(client) == before


# Any order


class Broken(Exception):
    pass


STEPS = st.sampled_from(["upload", "resume", "remove", "download"])
PLAN = st.lists(
    st.tuples(
        STEPS,
        st.integers(1, 4),  # slices
        # At which call of the store it breaks off, or another one comes in between.
        st.none() | st.tuples(st.integers(0, 25), st.none() | STEPS),
    ),
    max_size=8,
)
SLICE = 2048
_names = itertools.count()


class Run:
    """Documents are uploaded, removed and read, one within another, and are one of those."""

    def __init__(self):
        place = f"embedded:documents-{next(_names)}?mode=memory"
        self.client = RawClient(place)
        self.spy = SpyEngine(open_engine(place, SessionOptions())[0])
        self.watched = RawClient(place, engine=self.spy)
        self.contents = set()
        self.letters = itertools.cycle("abcdefghij")
        self.taken_over = False  # an upload or removal by another, while it was under way
        self.whole = None  # what must be there

    def step(self, kind, slices, meanwhile):
        self.watched_calls = 0
        under_way = False

        def before(call):
            number, self.watched_calls = self.watched_calls, self.watched_calls + 1
            if meanwhile is None or number != meanwhile[0] or under_way:
                return
            if meanwhile[1] is None:
                raise Broken
            self.spy.before = lambda call: None
            inner.append(self.do(self.client, meanwhile[1], slices + 1))

        inner = []
        self.spy.before = before
        outcome = self.do(self.watched, kind, slices)
        event(f"{kind} with {meanwhile and meanwhile[1]}: {outcome}")
        if inner and kind != "download" and meanwhile[1] in ("resume", "remove"):
            self.taken_over = self.taken_over or inner[0] == "done"
        return outcome, inner

    def do(self, client, kind, slices):
        try:
            if kind == "download":
                copy = io.BytesIO()
                client.download(KEY, copy, in_flight=1)
                assert copy.getvalue() in self.contents
            elif kind == "remove":
                client.remove_document(KEY)
            else:
                content = next(self.letters).encode() * (slices * SLICE - 1)
                # The beginning is often the same, so that there is something to leave out.
                content = b"s" * SLICE + content if slices % 2 else content
                self.contents.add(content)
                client.upload(
                    io.BytesIO(content),
                    KEY,
                    slice_size=SLICE,
                    in_flight=1,
                    resume=kind == "resume",
                )
                self.whole = content
        except (Broken, AliasNotFound, DocumentConflict, DocumentIncomplete) as error:
            return type(error).__name__
        except DocumentDamaged:
            assert self.taken_over
            return "DocumentDamaged"
        return "done"

    def close(self):
        self.watched.close()
        self.client.close()


@given(PLAN)
@settings(QUICK, max_examples=300)
def test_downloads_give_what_was_uploaded_or_a_named_error(plan):
    run = Run()
    try:
        for kind, slices, meanwhile in plan:
            outcome, inner = run.step(kind, slices, meanwhile)
            run.spy.before = lambda call: None
            if outcome == "done" and not inner:
                assert_consistent(run, kind)
        assert run.do(run.client, "resume", 3) == "done"
        assert_consistent(run, "resume")
        assert run.do(run.client, "remove", 0) == "done"
        assert_consistent(run, "remove")
    finally:
        run.close()


def assert_consistent(run, kind):
    """See that what was done with nothing else under way is done."""
    if kind in ("upload", "resume"):
        copy = io.BytesIO()
        run.client.download(KEY, copy)
        assert copy.getvalue() == run.whole
        slices = -(-len(run.whole) // SLICE)
        names = {KEY.hex + str(number) for number in range(slices)} | {KEY.hex + ".json"}
        assert set(run.client.prefix_get(KEY.hex)) == names
        run.taken_over = False
    elif kind == "remove":
        assert run.client.prefix_get(KEY.hex) == []
        run.taken_over = False
