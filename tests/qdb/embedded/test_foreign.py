"""Store files that somebody else has prepared, and what may lie beside them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, large_contents, schema
from storekit.qdb.engine import NEVER, BatchOperation, OperationKind
from storekit.qdb.errors import DataCorruption, ErrorCode, QuasardbException

COLUMNS = {
    "entry": ["id", "alias", "type", "expiry", "modified", "content"],
    "tagging": ["tag", "entry"],
    "store": ["mark", "last_file"],
    "large": ["entry", "file", "size"],
    "dropped": ["file"],
}
PLACES = [(table, column) for table, columns in COLUMNS.items() for column in columns]


@pytest.fixture(autouse=True)
def small_ones_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", 100)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A store with something in each of its tables, and files that are none of its business."""
    home = tmp_path / "original"
    home.mkdir()
    (home / "secret").write_bytes(b"s" * 200)
    with closing(EmbeddedEngine(f"embedded:{home / 'store'}").connect()) as session:
        session.blob_put("blob", b"1", NEVER)
        session.blob_put("large", b"x" * 200, NEVER)
        session.string_put("string", "text", NEVER)
        session.int_put("int", 5, NEVER)
        session.double_put("double", 0.5, NEVER)
        session.timestamp_put("stamp", 7, NEVER)
        session.attach_tag("blob", "tag")
    with closing(sqlite3.connect(home / "store")) as db:
        db.execute("INSERT INTO dropped VALUES (77)")
        db.commit()
    return home


def copy_of(original: Path) -> Path:
    home = original.with_name(os.urandom(8).hex())
    shutil.copytree(original, home)
    return home / "store"


CALLS: list[Callable[[EmbeddedSession, str], object]] = [
    lambda s, a: s.blob_get(a),
    lambda s, a: s.blob_get_many([a]),
    lambda s, a: s.string_get(a),
    lambda s, a: s.int_get(a),
    lambda s, a: s.int_add(a, 1),
    lambda s, a: s.double_get(a),
    lambda s, a: s.double_add(a, 1.0),
    lambda s, a: s.timestamp_get(a),
    lambda s, a: s.timestamp_add(a, 1),
    lambda s, a: s.get_metadata(a),
    lambda s, a: s.get_type(a),
    lambda s, a: s.get_expiry_time(a),
    lambda s, a: s.expires_from_now(a, 100_000),
    lambda s, a: s.get_tags(a),
    lambda s, a: s.has_tag(a, "tag"),
    lambda s, a: s.get_tagged(a),
    lambda s, a: s.get_tagged_count(a),
    lambda s, a: s.attach_tag(a, "tag"),
    lambda s, a: s.detach_tag(a, "tag"),
    lambda s, a: s.prefix_get(a[:1], 9),
    lambda s, a: s.suffix_get(a[-1:], 9),
    lambda s, a: s.prefix_count(a[:1]),
    lambda s, a: s.scan(None, 9),
    lambda s, a: s.blob_scan(b"x", 9),
    lambda s, a: s.blob_scan_regex("x", 9),
    lambda s, a: s.string_scan("t", 9),
    lambda s, a: s.node_status("127.0.0.1:2836"),
    lambda s, a: s.blob_compare_and_swap(a, b"2", b"1", NEVER),
    lambda s, a: s.blob_get_and_update(a, b"3", NEVER),
    lambda s, a: s.string_compare_and_swap(a, "2", "1", NEVER),
    lambda s, a: s.run_joined(
        [BatchOperation(OperationKind.BLOB_GET, a), BatchOperation(OperationKind.INT_ADD, a, 1)]
    ),
    lambda s, a: s.run_batch(
        [BatchOperation(OperationKind.STRING_GET, a), BatchOperation(OperationKind.DOUBLE_GET, a)]
    ),
    lambda s, a: s.run_transaction([BatchOperation(OperationKind.BLOB_UPDATE, a, b"4")]),
    lambda s, a: s.blob_remove_if(a, b"1"),
    lambda s, a: s.blob_get_and_remove(a),
    lambda s, a: s.string_get_and_remove(a),
    lambda s, a: s.blob_put("new", b"y" * 300, NEVER),
    lambda s, a: s.remove("new"),
    lambda s, a: s.entries.sweep(),
    lambda s, a: s.remove(a),
]


def use(path: Path) -> None:
    """Do all that can be done with a store; other errors than storekit's are raised."""
    with (
        suppress(QuasardbException),
        closing(EmbeddedEngine(f"embedded:{path}", timeout=0.2).connect()) as session,
    ):
        for alias in ("blob", "large", "string", "int", "double", "stamp", "tag"):
            for call in CALLS:
                with suppress(QuasardbException):
                    call(session, alias)
        with suppress(QuasardbException):
            session.purge_all(5)


def check_others(path: Path) -> None:
    assert (path.parent / "secret").read_bytes() == b"s" * 200
    names = {each.name for each in path.parent.iterdir()}
    assert all(name == "secret" or name.startswith("store") for name in names)


BYTES = st.binary(min_size=1, max_size=9)
VALUES = st.one_of(
    st.none(),
    st.sampled_from([0, -1, -5, 1, 2**31, 2**63 - 1, -(2**63), 200, 201, 10**9]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.sampled_from(["", "..", "../secret", "/etc/passwd", "abc", "1", "\0", "x" * 2000]),
    st.sampled_from([b"", b"../secret", b"1", bytes(8), bytes(300)]),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
@example([(("large", "file"), "../secret")])
@example([(("large", "size"), -5)])
@example([(("entry", "type"), 99)])
@example([(("entry", "content"), None)])
@example([(("store", "last_file"), 2**63 - 1)])
def test_any_value_of_any_column_is_used_as_it_should_be_or_told_of(
    original: Path, changes: list[tuple[tuple[str, str], object]]
) -> None:
    path = copy_of(original)
    with closing(sqlite3.connect(path)) as db:
        for (table, column), value in changes:
            with suppress(sqlite3.Error, OverflowError):
                db.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (value,))
        db.commit()
    use(path)
    check_others(path)
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("column", ["alias", "type", "expiry", "content"])
def test_text_that_is_not_valid_is_told_of(original: Path, column: str) -> None:
    path = copy_of(original)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE entry SET {column} = CAST(X'ff' AS TEXT) WHERE alias = 'blob'")
        db.commit()
    use(path)
    check_others(path)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=9)), max_size=4
    )
)
def test_any_bytes_in_the_file_are_used_as_they_should_be_or_told_of(
    original: Path, changes: list[tuple[float, bytes]]
) -> None:
    path = copy_of(original)
    content = bytearray(path.read_bytes())
    for place, new in changes:
        start = int(place * len(content))
        content[start : start + len(new)] = new[: len(content) - start]
    path.write_bytes(content)
    use(path)
    check_others(path)
    shutil.rmtree(path.parent)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE other (a)",
        "CREATE TRIGGER other AFTER INSERT ON entry BEGIN DELETE FROM entry; END",
        "CREATE VIEW other AS SELECT * FROM entry",
        "CREATE INDEX other ON entry (content)",
        "DROP TABLE dropped; CREATE TABLE dropped (file TEXT PRIMARY KEY)",
        "DROP TRIGGER large_gone",
        "DROP TABLE large; CREATE VIEW large AS SELECT 1 AS entry, '/a' AS file, 1 AS size",
        "ALTER TABLE entry ADD COLUMN other",
        "DELETE FROM store",
        "INSERT INTO store SELECT randomblob(8), 0",
        "UPDATE store SET mark = 'no mark'",
        "UPDATE store SET mark = X'00'",
    ],
)
def test_tables_that_storekit_does_not_make_are_refused(original: Path, change: str) -> None:
    path = copy_of(original)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(change)
    with pytest.raises(DataCorruption):
        EmbeddedEngine(f"embedded:{path}").connect()


def test_figures_that_sqlite_gathers_are_no_tables_of_somebody_else(original: Path) -> None:
    path = copy_of(original)
    with closing(sqlite3.connect(path)) as db:
        db.execute("ANALYZE")
        db.commit()
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        assert session.blob_get("blob") == b"1"


posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")


def directory_of(path: Path) -> Path:
    (directory,) = path.parent.glob("store-large-*")
    return directory


@posix
@pytest.mark.parametrize("kind", ["link", "dangling link", "file", "pipe"])
def test_what_is_no_directory_is_not_used_for_large_contents(original: Path, kind: str) -> None:
    path = copy_of(original)
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        session.remove("large")
    directory = directory_of(path)
    shutil.rmtree(directory)
    private = path.with_name("store-private")
    private.mkdir(mode=0o700)
    if kind == "pipe":
        os.mkfifo(directory)
    elif kind == "file":
        directory.write_bytes(b"")
    else:
        directory.symlink_to(private if kind == "link" else path.with_name("nothing"))
    path.chmod(0o644)
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        with pytest.raises(QuasardbException) as caught:
            session.blob_put("large", b"y" * 200, NEVER)
        assert caught.value.error_code == ErrorCode.OPERATION_NOT_PERMITTED
        session.blob_put("small", b"1", NEVER)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert list(private.iterdir()) == []


@posix
@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_file_is_not_read_as_a_large_content(original: Path, kind: str) -> None:
    path = copy_of(original)
    (file,) = directory_of(path).iterdir()
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    else:
        file.symlink_to(path.with_name("secret"))
    with closing(EmbeddedEngine(f"embedded:{path}").connect()) as session:
        with pytest.raises(QuasardbException):
            session.blob_get("large")
        session.remove("large")
    check_others(path)


@posix
@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_links_where_sqlite_writes_are_refused(original: Path, end: str) -> None:
    path = copy_of(original)
    victim = path.with_name("store-victim")
    victim.write_bytes(b"precious")
    Path(f"{path}{end}").symlink_to(victim)
    with pytest.raises(QuasardbException) as caught:
        EmbeddedEngine(f"embedded:{path}").connect()
    assert caught.value.error_code == ErrorCode.OPERATION_NOT_PERMITTED
    assert victim.read_bytes() == b"precious"


def test_a_journal_that_comes_and_goes_is_not_taken_for_a_link(original: Path) -> None:
    journal = Path(f"{copy_of(original)}-journal")
    over = threading.Event()

    def write_and_remove() -> None:
        while not over.is_set():
            journal.touch()
            journal.unlink()

    others = threading.Thread(target=write_and_remove)
    others.start()
    try:
        for _ in range(3000):
            schema._refuse_special(str(journal).removesuffix("-journal"))
    finally:
        over.set()
        others.join()


@posix
def test_store_in_a_pipe_or_device_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, Path(os.devnull)):
        with pytest.raises(QuasardbException, match="not a regular file"):
            EmbeddedEngine(f"embedded:{place}").connect()
