# Generated from tests/qdb/_async/test_documents_memory.py by tools/generate_sync.py; do not edit.

"""Memory that slices pass through, which is used again only when nobody else can be using it."""

import uuid

import pytest

from storekit.qdb import DocumentDamaged, RawClient
from storekit.qdb.embedded import EmbeddedEngine, large_contents
from storekit.qdb.errors import ErrorCode, error_for
from tests.support.qdb_spy import SpyEngine

KEY = uuid.UUID(int=7)
CONTENT = bytes(range(95))
SIZE = 10


@pytest.fixture
def spy(tmp_path, monkeypatch):
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 1)
    return SpyEngine(EmbeddedEngine(f"embedded:{tmp_path / 'store'}"))


@pytest.fixture
def client(spy):
    with RawClient("embedded:", engine=spy) as client:
        yield client


def slices_of(spy, name):
    return [
        call for call in spy.calls if call.name == name and call.arguments[0].startswith(KEY.hex)
    ]


def test_few_pieces_of_memory_do_for_all_slices(client, spy, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(CONTENT)
    client.upload(source, KEY, slice_size=SIZE, in_flight=1)
    client.download(KEY, copy, in_flight=1)
    assert copy.read_bytes() == CONTENT
    for name in ("blob_update", "blob_get_into"):
        views = [call.arguments[1] for call in slices_of(spy, name)]
        memory = {id(view.obj) for view in views if isinstance(view, memoryview)}
        assert len(views) >= 10
        assert len(memory) == 2


def test_slice_that_a_lost_call_may_still_be_storing_stays_as_it_is(client, spy, tmp_path):
    source, lost = tmp_path / "source", []
    source.write_bytes(CONTENT)

    def lose(call):
        if call in slices_of(spy, "blob_update") and len(slices_of(spy, "blob_update")) in (2, 5):
            lost.append((call.arguments[1], bytes(call.arguments[1])))
            raise error_for(ErrorCode.CONNECTION_RESET)

    spy.before = lose
    client.upload(source, KEY, slice_size=SIZE, in_flight=1)
    assert [bytes(view) for view, _ in lost] == [before for _, before in lost]
    assert len(lost) == 2


def test_lost_call_that_reads_late_changes_no_slice_of_another(client, spy, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(CONTENT)
    client.upload(source, KEY, slice_size=SIZE)
    lost = []

    def lose(call):
        for place in lost:
            place[:] = b"?" * len(place)
        if len(slices_of(spy, "blob_get_into")) in (2, 5) and call.name == "blob_get_into":
            lost.append(call.arguments[1])
            raise error_for(ErrorCode.CONNECTION_RESET)

    spy.before = spy.after = lose
    client.download(KEY, copy, in_flight=1)
    assert copy.read_bytes() == CONTENT
    assert len(lost) == 2


def test_file_of_somebody_else_may_keep_what_it_is_given(client):
    class Keeps:
        def __init__(self):
            self.kept = []

        def write(self, content):
            self.kept.append(content)

    file = Keeps()
    client.upload(iter([CONTENT]), KEY, slice_size=SIZE)
    client.download(KEY, file)
    assert b"".join(file.kept) == CONTENT


@pytest.mark.parametrize("resume", [False, True])
def test_manifest_that_speaks_of_huge_slices_is_damage_and_takes_no_memory_for_them(
    client, spy, tmp_path, resume
):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(CONTENT)
    client.upload(source, KEY, slice_size=1 << 20)
    alias, content = next(each for each in spy.written() if b'"sha256"' in each[1])
    huge = b":%d" % (1 << 60)
    changed = content.replace(b":1048576", huge).replace(b":95", huge)
    assert changed.count(huge) == 2
    client.update(alias, changed)
    with pytest.raises(DocumentDamaged):
        client.download(KEY, copy, resume=resume)
    assert not copy.exists()
