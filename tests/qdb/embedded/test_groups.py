"""Writes that wait together become one transaction of the file, each with its own outcome."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qdb.alone import run_alone
from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession
from storekit.qdb.embedded.connection import Connection
from storekit.qdb.engine import NEVER, BatchOperation, OperationKind, Outcome
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    ErrorCode,
    NoSpaceLeft,
    QuasardbException,
    ResourceLocked,
)
from tests.qdb.embedded.test_processes import finish, start

NOW = 1_700_000_000_000
LARGE = bytes(1 << 20)


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> EmbeddedEngine:
    return EmbeddedEngine(f"embedded:{tmp_path / 'store'}", durable=request.param)


@pytest.fixture
def sessions(engine: EmbeddedEngine) -> Iterator[list[EmbeddedSession]]:
    """Sessions for as many threads as a test has."""
    sessions = [engine.connect() for _ in range(16)]
    yield sessions
    for session in sessions:
        session.close()


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is longer by one for each transaction that is committed."""
    commits: list[object] = []
    commit = Connection.commit

    def count(connection: Connection, done: list[object] | None = None) -> None:
        commit(connection, done)
        commits.append(connection)

    monkeypatch.setattr(Connection, "commit", count)
    return commits


@contextmanager
def writing(session: EmbeddedSession) -> Iterator[None]:
    """Have somebody else write to the file meanwhile: what is written by others waits."""
    queue = session._queue
    assert queue is not None
    with ThreadPoolExecutor(1) as writer:
        writer.submit(queue._turn.acquire, True, -1).result()
        try:
            yield
        finally:
            writer.submit(queue._turn.release).result()
            queue._wake()


def waiting(session: EmbeddedSession, count: int) -> None:
    """Wait until so many writes wait."""
    queue = session._queue
    assert queue is not None
    while len(queue._plain) + len(queue._synced) < count:
        time.sleep(0)


Call = Callable[[EmbeddedSession], object]


def together(sessions: list[EmbeddedSession], calls: list[Call]) -> list[object]:
    """Make calls, each in a thread and session of its own, so that they wait together."""
    with ThreadPoolExecutor(len(calls)) as threads, writing(sessions[0]):
        futures: list[Future[object]] = []
        for session, call in zip(sessions, calls, strict=False):
            futures.append(threads.submit(call, session))
            waiting(session, len(futures))
    return [future.exception() or future.result() for future in futures]


def test_writes_that_wait_together_are_one_transaction_each_with_its_own_outcome(
    sessions: list[EmbeddedSession], commits: list[object]
) -> None:
    session = sessions[0]
    session.blob_put("there", b"1", NEVER)
    session.int_put("number", 1, NEVER)
    commits.clear()
    outcomes = together(
        sessions,
        [
            lambda s: s.blob_put("new", b"2", NEVER),
            lambda s: s.blob_put("there", b"2", NEVER),
            lambda s: s.blob_update("there", b"3", NEVER),
            lambda s: s.remove("missing"),
            lambda s: s.int_add("number", 5),
            lambda s: s.attach_tag("there", "tag"),
            lambda s: s.attach_tag("there", "tag"),
            lambda s: s.expires_from_now("there", 100_000),
            lambda s: s.blob_compare_and_swap("new", b"4", b"other", NEVER),
            lambda s: s.blob_get_and_update("new", b"5", NEVER),
            lambda s: s.run_transaction(
                [
                    BatchOperation(OperationKind.BLOB_UPDATE, "new", b"?"),
                    BatchOperation(OperationKind.BLOB_GET, "missing"),
                ]
            )[:2],
            lambda s: s.run_batch(
                [
                    BatchOperation(OperationKind.BLOB_PUT, "last", b"6"),
                    BatchOperation(OperationKind.BLOB_PUT, "new", b"?"),
                ]
            ),
        ],
    )
    assert outcomes[0] is None
    assert isinstance(outcomes[1], AliasAlreadyExists)
    assert outcomes[2] is False
    assert isinstance(outcomes[3], AliasNotFound)
    assert outcomes[4:6] == [6, None]
    assert isinstance(outcomes[6], QuasardbException)
    assert outcomes[6].error_code == ErrorCode.TAG_ALREADY_SET
    assert outcomes[7:10] == [None, b"2", b"2"]
    assert outcomes[10] == (ErrorCode.ALIAS_NOT_FOUND, 1)
    assert outcomes[11] == [Outcome(ErrorCode.OK), Outcome(ErrorCode.ALIAS_ALREADY_EXISTS)]
    assert len(commits) == 1
    assert sorted(session.scan(None, 9)[0]) == [("last", b"6"), ("new", b"5"), ("there", b"3")]
    assert session.get_tagged("tag") == ["there"]


def test_calls_that_are_joined_are_one_transaction(
    sessions: list[EmbeddedSession], commits: list[object]
) -> None:
    operations = [BatchOperation(OperationKind.INT_PUT, "number", 0)]
    operations += [BatchOperation(OperationKind.INT_ADD, "number", 1)] * 20
    operations += [BatchOperation(OperationKind.BLOB_PUT, "number", b"")]
    outcomes = sessions[0].run_joined(operations)
    assert [outcome.content for outcome in outcomes[1:-1]] == list(range(1, 21))
    assert outcomes[-1].error == ErrorCode.INCOMPATIBLE_TYPE
    assert len(commits) == 1


def test_engines_of_one_file_write_together_each_by_its_own_clock(
    tmp_path: Path, commits: list[object]
) -> None:
    place = f"embedded:{tmp_path / 'store'}"
    engines = [EmbeddedEngine(place, clock=lambda time=time: time) for time in (NOW, NOW + 50_000)]
    sessions = [engine.connect() for engine in engines]
    commits.clear()
    together(
        sessions,
        [lambda s, alias=alias: s.blob_put(alias, b"1", NEVER) for alias in ("early", "late")],
    )
    assert len(commits) == 1
    first, second = (
        session.get_metadata(alias)
        for session, alias in zip(sessions, ("early", "late"), strict=True)
    )
    assert (first.modified, second.modified) == (NOW * 1_000_000, (NOW + 50_000) * 1_000_000)
    for session in sessions:
        assert b'"put": {"count": 1,' in session.node_status("127.0.0.1:2836")
        session.close()


def test_large_contents_do_not_hold_up_others(
    sessions: list[EmbeddedSession], commits: list[object]
) -> None:
    commits.clear()
    calls: list[Call] = [lambda s, n=n: s.blob_put(f"{n}", LARGE, NEVER) for n in range(3)]
    assert together(sessions, calls) == [None] * 3
    assert len(commits) == 3
    assert sessions[0].blob_get("2") == LARGE


def test_write_that_fills_the_disk_leaves_the_others_done(sessions: list[EmbeddedSession]) -> None:
    for session in sessions:
        session.connection.one("PRAGMA max_page_count = 60")
    calls: list[Call] = [
        lambda s, n=n: s.blob_put(f"{n}", b"." * n, NEVER) for n in (100, 900_000, 101)
    ]
    outcomes = together(sessions, calls)
    assert isinstance(outcomes[1], NoSpaceLeft)
    assert [outcomes[0], outcomes[2]] == [None, None]
    assert sorted(dict(sessions[0].scan(None, 9)[0])) == ["100", "101"]


def test_commit_that_fails_is_tried_for_each_alone(
    sessions: list[EmbeddedSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Connection.commit
    failures = [sqlite3.OperationalError("the disk has gone")]

    def fail(connection: Connection, done: list[object] | None = None) -> None:
        if failures:
            failures.pop()
            connection.roll_back()
            raise QuasardbException(ErrorCode.SYSTEM_LOCAL)
        commit(connection, done)

    monkeypatch.setattr(Connection, "commit", fail)
    sessions[0].int_put("n", 0, NEVER)
    assert sorted(together(sessions, [lambda s: s.int_add("n", 1)] * 5)) == [1, 2, 3, 4, 5]  # type: ignore[type-var]


def test_write_that_waits_for_longer_than_its_timeout_is_not_made(
    tmp_path: Path, engine: EmbeddedEngine, sessions: list[EmbeddedSession]
) -> None:
    hurried = EmbeddedEngine(engine.location, durable=engine.durable, timeout=0.01).connect()
    with writing(sessions[0]), pytest.raises(ResourceLocked):
        hurried.blob_put("a", b"1", NEVER)
    sessions[0].blob_put("b", b"2", NEVER)
    assert dict(sessions[0].scan(None, 9)[0]) == {"b": b"2"}
    hurried.blob_put("a", b"1", NEVER)
    hurried.close()


def test_lock_of_another_process_is_the_error_of_each_that_waited_for_long(
    tmp_path: Path, engine: EmbeddedEngine
) -> None:
    patience = EmbeddedEngine(engine.location, durable=engine.durable, timeout=0.3)
    sessions = [patience.connect() for _ in range(4)]
    with closing(sqlite3.connect(tmp_path / "store", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        outcomes = together(sessions, [lambda s: s.blob_put("a", b"1", NEVER)] * 4)
        assert all(isinstance(outcome, ResourceLocked) for outcome in outcomes)
        holder.execute("COMMIT")
    assert sessions[0].prefix_count("a") == 0
    for session in sessions:
        session.blob_update("a", b"1", NEVER)
        session.close()


# Any operations at once, and some order of the same

ALIASES = st.sampled_from(["a", "b"])
CONTENTS = st.sampled_from([b"", b"1", b"22"])
SMALL, MOST = st.integers(-9, 9), st.just((1 << 63) - 1)
OPERATIONS = st.one_of(
    st.builds(
        BatchOperation,
        st.sampled_from([OperationKind.BLOB_PUT, OperationKind.BLOB_UPDATE]),
        ALIASES,
        CONTENTS,
    ),
    st.builds(BatchOperation, st.just(OperationKind.BLOB_CAS), ALIASES, CONTENTS, CONTENTS),
    st.builds(BatchOperation, st.just(OperationKind.BLOB_GET_AND_UPDATE), ALIASES, CONTENTS),
    st.builds(BatchOperation, st.just(OperationKind.BLOB_REMOVE_IF), ALIASES, comparand=CONTENTS),
    st.builds(
        BatchOperation,
        st.sampled_from([OperationKind.BLOB_GET_AND_REMOVE, OperationKind.REMOVE]),
        ALIASES,
    ),
    st.builds(
        BatchOperation,
        st.sampled_from([OperationKind.INT_PUT, OperationKind.INT_UPDATE]),
        ALIASES,
        SMALL,
    ),
    st.builds(BatchOperation, st.just(OperationKind.INT_ADD), ALIASES, st.one_of(SMALL, MOST)),
    st.builds(BatchOperation, st.just(OperationKind.STRING_UPDATE), ALIASES, CONTENTS),
)
STEPS = st.one_of(
    OPERATIONS,
    st.lists(OPERATIONS, min_size=1, max_size=3).map(tuple),  # a transaction
    st.tuples(st.sampled_from(["tag", "untag", "expire"]), ALIASES),
)
GETS = (OperationKind.BLOB_GET, OperationKind.INT_GET, OperationKind.STRING_GET)
Step = BatchOperation | tuple[object, ...]


def run(session: EmbeddedSession, step: Step) -> object:
    """Make a step; return what it gives or the code that it fails with."""
    if isinstance(step, BatchOperation):
        outcome = run_alone(session, step)
        return outcome.error, outcome.content
    if isinstance(step[0], BatchOperation):
        return session.run_transaction(step)  # type: ignore[arg-type]
    name, alias = step
    calls: dict[object, Callable[[], object]] = {
        "tag": lambda: session.attach_tag(str(alias), "t"),
        "untag": lambda: session.detach_tag(str(alias), "t"),
        "expire": lambda: session.expires_at(str(alias), NOW + 5_000),
    }
    try:
        return calls[name]()
    except QuasardbException as error:
        return error.error_code


def all_of(session: EmbeddedSession) -> object:
    """Return what a store holds."""
    found: list[object] = []
    for alias in session.prefix_get("a", 9) + session.prefix_get("b", 9):
        found.append((alias, session.get_type(alias), session.get_expiry_time(alias)))
        found += [
            run(session, BatchOperation(kind, alias))
            for kind in (OperationKind.BLOB_GET, OperationKind.INT_GET, OperationKind.STRING_GET)
        ]
        found.append(session.get_tags(alias))
    return found


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    before=st.lists(STEPS, max_size=3),
    steps=st.lists(STEPS, min_size=2, max_size=4),
    joined=st.booleans(),
)
def test_any_steps_at_once_are_as_some_order_of_them_made_alone(
    tmp_path: Path, before: list[Step], steps: list[Step], joined: bool
) -> None:
    place = tmp_path / f"{time.monotonic_ns()}"
    engine = EmbeddedEngine(f"embedded:{place}", clock=lambda: NOW)
    sessions = [engine.connect() for _ in steps]
    for step in before:
        run(sessions[0], step)
    if joined and all(isinstance(step, BatchOperation) for step in steps):
        outcomes = sessions[0].run_joined(steps)  # type: ignore[arg-type]
        found: list[object] = [(outcome.error, outcome.content) for outcome in outcomes]
    else:
        found = together(sessions, [lambda s, step=step: run(s, step) for step in steps])
    left = all_of(sessions[0])
    for session in sessions:
        session.close()

    def alone(order: tuple[int, ...]) -> bool:
        with closing(EmbeddedEngine("embedded:", clock=lambda: NOW).connect()) as session:
            for step in before:
                run(session, step)
            return all(run(session, steps[index]) == found[index] for index in order) and (
                all_of(session) == left
            )

    assert any(map(alone, itertools.permutations(range(len(steps)))))


@pytest.mark.parametrize("durable", [False, True])
def test_copy_of_the_files_at_any_commit_has_what_was_acknowledged(
    tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    engine = EmbeddedEngine(f"embedded:{path}", durable=durable)
    acknowledged: list[str] = []
    images: list[tuple[Path, list[str]]] = []
    commit = Connection.commit

    def copy(connection: Connection, done: list[object] | None = None) -> None:
        commit(connection, done)
        image = tmp_path / f"image{len(images)}"
        image.mkdir()
        images.append((image, list(acknowledged)))
        for file in (path, path.with_name("store-wal")):
            shutil.copy(file, image)

    def write(number: int) -> None:
        with closing(engine.connect()) as session:
            for count in range(25):
                pair = [
                    BatchOperation(OperationKind.BLOB_PUT, f"{side}{number}.{count}", bytes(200))
                    for side in "<>"
                ]
                assert session.run_transaction(pair)[0] == ErrorCode.OK
                acknowledged.append(f"{number}.{count}")

    with closing(engine.connect()) as session:
        session.blob_put("first", b"1", NEVER)
        monkeypatch.setattr(Connection, "commit", copy)
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(acknowledged) == 100
    monkeypatch.undo()
    for image, known in images[::5]:
        with closing(EmbeddedEngine(f"embedded:{image / 'store'}").connect()) as session:
            there = set(session.prefix_get("<", 1000))
            assert there >= {f"<{name}" for name in known}
            assert {f"<{alias[1:]}" for alias in session.prefix_get(">", 1000)} == there


def test_other_processes_have_their_turn(tmp_path: Path) -> None:
    engine = EmbeddedEngine(f"embedded:{tmp_path / 'store'}", timeout=60)
    stop = threading.Event()

    def write(number: int) -> None:
        with closing(engine.connect()) as session:
            while not stop.is_set():
                session.blob_update(f"{number}", b"1", NEVER)

    with closing(engine.connect()) as session:
        session.int_put("sum", 0, NEVER)
        session.blob_put("swapped", b"0", NEVER)
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            finish(start("add", tmp_path / "store", 50))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert session.int_get("sum") == 50
