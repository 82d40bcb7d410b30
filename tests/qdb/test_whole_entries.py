"""Entries with all that belongs to them, as sessions give them."""

import time

import pytest

from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.engine import EntryType, WholeEntry
from storekit.qdb.errors import NotImplementedByStore

SOON = (int(time.time()) + 3600) * 1000
ENTRIES = [
    WholeEntry("blob", EntryType.BLOB, b"1", SOON, ["a", "b"]),
    WholeEntry("double", EntryType.DOUBLE, 0.5),
    WholeEntry("integer", EntryType.INTEGER, -1, 0, ["a"]),
    WholeEntry("large", EntryType.BLOB, bytes(1 << 20) + b"!", 0, ["a"]),
    WholeEntry("string", EntryType.STRING, "ä\0".encode()),
    WholeEntry("time", EntryType.TIMESTAMP, -(10**18) - 1),
    WholeEntry("a", EntryType.TAG, None, 0, ["tag of tags"]),
]


@pytest.fixture(params=["memory", "file", "library"])
def session(request, tmp_path):
    if request.param == "library":
        session = request.getfixturevalue("door_session")
    else:
        place = "embedded:" if request.param == "memory" else f"embedded:{tmp_path / 'store'}"
        session = EmbeddedEngine(place).connect()
    session.blob_put("blob", b"1", SOON)
    session.double_put("double", 0.5, 0)
    session.int_put("integer", -1, 0)
    session.blob_put("large", bytes(1 << 20) + b"!", 0)
    session.string_put("string", "ä\0", 0)
    session.timestamp_put("time", -(10**18) - 1, 0)
    session.blob_put("expired", b"1", int(time.time() - 60) * 1000)
    session.attach_tags("blob", ["b", "a"])
    session.attach_tags("integer", ["a"])
    session.attach_tags("large", ["a"])
    session.attach_tags("a", ["tag of tags"])
    yield session
    if request.param != "library":
        session.close()


def plain(entries):
    """Return entries that compare: a large content may be a view, tags a list or none."""
    return [
        None
        if each is None
        else WholeEntry(
            each.alias,
            each.type,
            bytes(each.content) if isinstance(each.content, memoryview) else each.content,
            each.expiry,
            list(each.tags),
        )
        for each in entries
    ]


def test_entries_of_any_type_are_read_with_all_that_belongs_to_them(session):
    aliases = [each.alias for each in ENTRIES]
    found = session.read_entries([*aliases, "none", "expired", "blob"])
    assert plain(found) == plain([*ENTRIES, None, None, ENTRIES[0]])
    assert [type(each.type) for each in found[:7]] == [EntryType] * 7


def test_contents_that_are_known_need_not_be_read(session):
    found = session.read_entries(["blob", "large"], [b"1", bytes(1 << 20) + b"!"], False)
    assert found[0].content == b"1"
    assert len(found[1].content) == (1 << 20) + 1
    assert [each.expiry for each in found] == [SOON, 0]


def test_many_entries_are_read_in_the_order_in_which_they_are_asked_for(session):
    names = [f"entry {number}" for number in range(200)]
    for number, name in enumerate(names):
        session.int_put(name, number, 0)
    found = session.read_entries([*names[::-1], "none"])
    assert [each.content for each in found[:-1]] == list(range(200))[::-1]
    assert found[-1] is None
    assert session.read_entries([]) == []


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_a_walk_gives_each_entry_once(session, count):
    found = []
    cursor = None
    try:
        while True:
            page, cursor = session.walk_entries(cursor, count)
            assert len(page) <= count
            found += page
            if cursor is None:
                break
    except NotImplementedByStore:
        assert "Capi" in type(session).__name__
        return
    names = {each.alias for each in ENTRIES}
    assert plain(sorted((e for e in found if e.alias in names), key=str)) == plain(
        sorted(ENTRIES, key=str)
    )
    assert {each.alias for each in found} - names == {"b", "tag of tags"}
    assert len(found) == len(names) + 2


def test_a_page_of_a_walk_ends_with_what_is_large(tmp_path):
    session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}").connect()
    for number in range(6):
        session.blob_put(f"large {number}", bytes(3 << 20), 0)
    page, cursor = session.walk_entries(None, 100)
    assert len(page) == 2
    page, cursor = session.walk_entries(cursor, 100)
    page, cursor = session.walk_entries(cursor, 100)
    assert [each.alias for each in page] == ["large 4", "large 5"]
    assert session.walk_entries(cursor, 100) == ([], None)
    session.close()


def test_what_comes_during_a_walk_is_not_in_it_and_what_goes_neither(tmp_path):
    session = EmbeddedEngine(f"embedded:{tmp_path / 'store'}").connect()
    for name in ("a", "b", "c"):
        session.blob_put(name, b"1", 0)
    page, cursor = session.walk_entries(None, 1)
    session.remove("b")
    session.remove("a")
    session.blob_put("a", b"again", 0)
    session.blob_put("d", b"1", 0)
    rest, cursor = session.walk_entries(cursor, 9)
    assert [each.alias for each in page + rest] == ["a", "c"]
    assert cursor is None
    session.close()


def test_a_scan_over_the_library_gives_few_where_they_are_large(door_session):
    for number in range(6):
        door_session.blob_put(f"large {number}", bytes(3 << 20), 0)
    blobs, cursor = door_session.scan(None, 100)
    assert len(blobs) == 2
    seen = len(blobs)
    while cursor is not None:
        blobs, cursor = door_session.scan(cursor, 100)
        assert len(blobs) <= 2
        seen += len(blobs)
    assert seen == 6


def test_entries_need_not_be_what_they_are_thought_to_be(session):
    aliases = [each.alias for each in ENTRIES] + ["none"]
    types = [EntryType.BLOB, EntryType.STRING, EntryType.TAG, EntryType.INTEGER] * 2
    found = session.read_entries(aliases, None, True, types)
    assert plain(found) == plain([*ENTRIES, None])
