"""Any set of entries comes through a copy, and through a dump and a restore, as it was."""

import io
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qdb import RawClient
from storekit.qdb.engine import MAX_ALIAS, EntryType, WholeEntry
from storekit.transfer import check_dump, copy, dump, restore
from storekit.transfer.marker import MARKER
from storekit.transfer.storing import is_same_entry, make_alike

SECONDS = st.integers(1_900_000_000_000, 2**53)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
ALIASES = st.one_of(
    TEXT,
    st.text("ab/.\x01\x7f\U0010ffff", min_size=1, max_size=3),
    TEXT.map(lambda text: (text * MAX_ALIAS).encode()[:MAX_ALIAS].decode(errors="ignore")),
).filter(lambda text: not text.startswith("..") and len(text.encode()) <= MAX_ALIAS)
CONTENTS = {
    EntryType.BLOB: st.binary(),
    EntryType.STRING: st.text(st.characters(exclude_categories=["Cs"])).map(str.encode),
    EntryType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    EntryType.DOUBLE: st.floats(),
    EntryType.TIMESTAMP: st.integers(-(2**63) * 10**9, 2**63 * 10**9 - 1),
}


@st.composite
def entries(draw):
    """Entries of all types, some with tags, of which some have tags and times of expiry."""
    names = draw(st.lists(ALIASES, unique=True, max_size=12))
    tags = [name for name in names[: len(names) // 3] if name != MARKER]
    found = []
    for name in names:
        if name == MARKER:
            continue
        attached = sorted(draw(st.sets(st.sampled_from(tags)))) if tags else []
        expiry = draw(st.one_of(st.just(0), SECONDS))
        if name in tags:
            others = [tag for tag in attached if tag < name]
            found.append(WholeEntry(name, EntryType.TAG, None, expiry, others))
        else:
            kind = draw(st.sampled_from(list(CONTENTS)))
            found.append(WholeEntry(name, kind, draw(CONTENTS[kind]), expiry, attached))
    return found


def store(client, wanted):
    """Put entries into a store in another way than transfers do."""
    session = client._calls.engine.connect()
    session.blob_put(MARKER, b"", 0)
    for entry in wanted:
        make_alike(session, entry, session.read_entries([entry.alias])[0])
    session.remove(MARKER)
    session.close()


def same(client, wanted):
    """Return whether a store has these entries and no others."""
    session = client._calls.engine.connect()
    found = session.read_entries([entry.alias for entry in wanted])
    listed = {
        alias
        for kind in ("blob", "integer", "double", "string", "timestamp", "tag")
        for alias in client.find(f"type={kind}")
    }
    session.close()
    assert listed == {entry.alias for entry in wanted}
    return all(
        there is not None and is_same_entry(entry, there)
        for entry, there in zip(wanted, found, strict=True)
    )


QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(entries())
@QUICK
def test_any_entries_are_copied(wanted):
    with RawClient("embedded:") as source, RawClient("embedded:") as target:
        store(source, wanted)
        result = copy(source, target)
        assert result.entries == len(wanted)
        assert same(target, wanted)
        assert copy(source, target).unchanged == len(wanted)


@given(entries())
@settings(parent=QUICK, max_examples=25)
def test_any_entries_come_through_the_c_library(place: Callable[[], str], wanted):
    with (
        RawClient("embedded:") as source,
        RawClient(place()) as cluster,
        RawClient("embedded:") as target,
    ):
        store(source, wanted)
        copy(source, cluster)
        copy(cluster, target)
        assert same(target, wanted)


@given(entries(), st.sampled_from(["zlib", "zstd", "none"]))
@QUICK
def test_any_entries_are_dumped_and_restored(wanted, compression):
    with RawClient("embedded:") as source, RawClient("embedded:") as target:
        store(source, wanted)
        stream = io.BytesIO()
        dump(source, stream, compression=compression)
        stream.seek(0)
        assert check_dump(stream).entries == len(wanted)
        stream.seek(0)
        restore(stream, target)
        assert same(target, wanted)
