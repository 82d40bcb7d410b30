"""Exceptions that come at any step of a call of an embedded store."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType

import pytest

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, large_contents
from storekit.qdb.embedded.groups import QueuedWrite
from storekit.qdb.engine import NEVER, BatchOperation, OperationKind
from storekit.qdb.errors import ErrorCode, QuasardbException

pytestmark = [
    # An interruption may come while a generator is closed, where nothing can be raised.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PLACES = ["memory", "file"]
PARTS = ("storekit/qdb/embedded", "storekit\\qdb\\embedded", "contextlib.py")
NOW = 1_700_000_000_000


class Interruption(Exception):
    """What a signal handler raises."""


class Interrupter:
    """Raises at one step of a call: the `countdown`-th line, call, return or, if asked, opcode."""

    def __init__(self, countdown: int, *, opcodes: bool) -> None:
        self.left = countdown
        self.raised = False
        self._opcodes = opcodes

    def __call__(self, frame: FrameType, event: str, arg: object) -> Interrupter | None:
        if not any(part in frame.f_code.co_filename for part in PARTS):
            return None
        if event == "call":
            frame.f_trace_opcodes = self._opcodes
        if event != "exception":
            if not self.left:
                self.raised = True
                sys.settrace(None)
                self.interrupt()
                return None
            self.left -= 1
        return self

    def interrupt(self) -> None:
        """Do what comes in between."""
        raise Interruption


def interrupted(call: Callable[[], object], countdown: int, *, opcodes: bool = False) -> bool:
    """Make a call; return whether it lasted until the interruption came."""
    interrupter = Interrupter(countdown, opcodes=opcodes)
    before = sys.gettrace()
    sys.settrace(interrupter)
    try:
        call()
    except (Interruption, QuasardbException):
        pass  # by a statement, since `suppress` would be interrupted as well
    finally:
        sys.settrace(before)
    return interrupter.raised


OTHER_THREAD = ThreadPoolExecutor(1)


def in_thread(call: Callable[[], object]) -> None:
    """Make a call in another thread, for which locks of this thread are those of somebody else."""
    OTHER_THREAD.submit(call).result(30)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"embedded:{tmp_path / 'store'}"
    return f"embedded:{uuid.uuid4()}?mode=memory"


@pytest.fixture
def engine(place: str, monkeypatch: pytest.MonkeyPatch) -> EmbeddedEngine:
    monkeypatch.setattr(large_contents, "LARGE_CONTENT", len(LARGE))
    return EmbeddedEngine(place, timeout=5, clock=lambda: NOW)


@pytest.fixture
def session(engine: EmbeddedEngine) -> Iterator[EmbeddedSession]:
    with closing(engine.connect()) as session:
        session.blob_put("there", b"1", NEVER)
        session.int_put("number", 1, NEVER)
        session.attach_tag("there", "tag")
        session.blob_put("gone", b"x", NOW + 1)
        session.blob_put("large", LARGE, NEVER)
        yield session


@pytest.fixture
def other(engine: EmbeddedEngine, session: EmbeddedSession) -> Iterator[EmbeddedSession]:
    with closing(engine.connect()) as other:
        yield other


def state(session: EmbeddedSession) -> object:
    return (
        sorted(session.scan(None, 1000)[0]),
        session.prefix_get("number", 1) and session.int_get("number"),
        session.get_tagged("tag") if session.prefix_count("tag") else None,
        session.prefix_get("t", 100),
    )


LARGE = bytes(5000)
WRITE = BatchOperation(OperationKind.BLOB_UPDATE, "there", b"3")
OPERATIONS: dict[str, Callable[[EmbeddedSession], object]] = {
    "get": lambda s: s.blob_get("there"),
    "get several": lambda s: s.blob_get_many(["there", "missing"]),
    "put": lambda s: s.blob_put("new", b"2", NEVER),
    "put what is there": lambda s: s.blob_put("there", b"2", NEVER),
    "update": lambda s: s.blob_update("there", b"2", NEVER),
    "update that makes": lambda s: s.blob_update("new", b"2", NEVER),
    "get and update": lambda s: s.blob_get_and_update("there", b"2", NEVER),
    "swap": lambda s: s.blob_compare_and_swap("there", b"2", b"1", NEVER),
    "take": lambda s: s.blob_get_and_remove("there"),
    "remove": lambda s: s.remove("there"),
    "large get": lambda s: s.blob_get("large"),
    "large put": lambda s: s.blob_put("new", LARGE + b"1", NEVER),
    "large update": lambda s: s.blob_update("large", LARGE + b"2", NEVER),
    "large take": lambda s: s.blob_get_and_remove("large"),
    "remove if": lambda s: s.blob_remove_if("there", b"2"),
    "add": lambda s: s.int_add("number", 1),
    "expire": lambda s: s.expires_from_now("there", 10_000),
    "tag": lambda s: s.attach_tags("there", ["tag", "tag2"]),
    "tag again": lambda s: s.attach_tag("there", "tag"),
    "untag": lambda s: s.detach_tag("there", "tag"),
    "scan": lambda s: s.scan(None, 10),
    "purge": lambda s: s.purge_all(10),
    "batch": lambda s: s.run_batch([WRITE, BatchOperation(OperationKind.BLOB_GET, "missing")]),
    "transaction": lambda s: s.run_transaction([WRITE, WRITE]),
    "failing transaction": lambda s: s.run_transaction(
        [WRITE, BatchOperation(OperationKind.BLOB_PUT, "there", b"4")]
    ),
    "joined": lambda s: s.run_joined([WRITE, BatchOperation(OperationKind.INT_ADD, "number", 5)]),
    "status": lambda s: s.node_status("127.0.0.1:2836"),
}


QUICK = ("get and update", "failing transaction", "joined", "update", "large put")


def _quick(name: str) -> object:
    quick = (
        "put what is there",
        "get and update",
        "failing transaction",
        "joined",
        "update",
        "large put",
    )
    return name if name in quick else pytest.param(name, marks=pytest.mark.soak)


def check(session: EmbeddedSession, other: EmbeddedSession, states: list[object]) -> None:
    """Nothing is open or held, and either all of the interrupted call is done or nothing."""
    assert not session.connection.in_transaction
    assert not session.connection.undo
    assert state(session) in states
    in_thread(lambda: other.blob_update("probe", b"1", NEVER))  # no lock is held
    assert other.run_transaction(
        [
            BatchOperation(OperationKind.BLOB_UPDATE, "probe", b"2"),
            BatchOperation(OperationKind.BLOB_GET, "missing"),
        ]
    )[0]
    assert session.blob_get("probe") == b"1"
    session.blob_update("probe", b"3", NEVER)  # and the session goes on
    in_thread(lambda: other.remove("probe"))


def restore(session: EmbeddedSession) -> None:
    session.purge_all(10)
    session.blob_put("there", b"1", NEVER)
    session.int_put("number", 1, NEVER)
    session.attach_tag("there", "tag")
    session.blob_put("large", LARGE, NEVER)


def interrupt_everywhere(
    session: EmbeddedSession, other: EmbeddedSession, name: str, *, opcodes: bool
) -> int:
    restore(session)
    before = state(session)
    with suppress(QuasardbException):
        OPERATIONS[name](session)
    states = [before, state(session)]
    for countdown in range(100_000):
        restore(session)
        if not interrupted(lambda: OPERATIONS[name](session), countdown, opcodes=opcodes):
            return countdown
        check(session, other, states)
    raise AssertionError


@pytest.mark.parametrize("name", [_quick(name) for name in OPERATIONS])
def test_call_that_is_interrupted_at_any_line_leaves_nothing_behind(
    session: EmbeddedSession, other: EmbeddedSession, name: str
) -> None:
    assert interrupt_everywhere(session, other, name, opcodes=False) > 10


@pytest.mark.soak
@pytest.mark.parametrize("name", OPERATIONS)
def test_call_that_is_interrupted_at_any_opcode_leaves_nothing_behind(
    session: EmbeddedSession, other: EmbeddedSession, name: str
) -> None:
    assert interrupt_everywhere(session, other, name, opcodes=True) > 50


GROUP: dict[str, Callable[[EmbeddedSession], object]] = {
    "update": OPERATIONS["update"],
    "put what is there": OPERATIONS["put what is there"],
    "transaction": OPERATIONS["transaction"],
    "tag": OPERATIONS["tag"],
}


@pytest.fixture
def waiting(place: str, session: EmbeddedSession) -> Callable[[], list[QueuedWrite]]:
    """Put writes into the queue as other threads would, of this engine and of another one."""
    queue = session._queue
    assert queue is not None
    engines = [session.node, EmbeddedEngine(place, timeout=5)._node]

    def wait() -> list[QueuedWrite]:
        session.connection.call(queue._plain.clear)
        writes = [
            QueuedWrite(lambda do, number=number: do.int_add(f"n{number}", 1), node, 100)
            for number, node in enumerate(engines)
        ]
        writes.append(QueuedWrite(lambda do: do.blob_put("there", b"2", NEVER), engines[1], 100))
        for number in range(len(engines)):
            session.int_update(f"n{number}", 0, NEVER)
        queue._plain.extend(writes)
        return writes

    return wait


def check_group(session: EmbeddedSession, writes: list[QueuedWrite]) -> None:
    """What is told is true, and what was not told is not done, or is done later, and once."""
    for _ in range(2):
        for number, write in enumerate(writes[:2]):
            assert session.int_get(f"n{number}") == write.done
            if write.done:
                assert (write.value, write.error) == (1, None)
        # Whoever writes next makes those that wait, but for one that its own thread has to make.
        in_thread(lambda: session.blob_update("next", b"1", NEVER))
    assert all(write.done or write.own or not write.started for write in writes)
    assert sum(write.done for write in writes) >= len(writes) - 1
    if writes[2].done:
        assert writes[2].error is not None
        assert writes[2].error.error_code == ErrorCode.ALIAS_ALREADY_EXISTS


def interrupt_group_everywhere(
    session: EmbeddedSession,
    other: EmbeddedSession,
    waiting: Callable[[], list[QueuedWrite]],
    name: str,
    *,
    opcodes: bool,
) -> int:
    restore(session)
    with suppress(QuasardbException):
        GROUP[name](session)
    for countdown in range(100_000):
        restore(session)
        writes = waiting()
        finished = not interrupted(lambda: GROUP[name](session), countdown, opcodes=opcodes)
        assert not session.connection.in_transaction
        check_group(session, writes)
        in_thread(lambda: other.blob_update("probe", b"1", NEVER))
        if finished:
            assert all(write.done for write in writes)
            return countdown
    raise AssertionError


@pytest.mark.parametrize("place", ["file"], indirect=True)
@pytest.mark.parametrize("name", [_quick(name) for name in GROUP])
def test_writes_for_others_that_are_interrupted_at_any_line_are_done_once_or_not_told(
    session: EmbeddedSession,
    other: EmbeddedSession,
    waiting: Callable[[], list[QueuedWrite]],
    name: str,
) -> None:
    assert interrupt_group_everywhere(session, other, waiting, name, opcodes=False) > 50


@pytest.mark.soak
@pytest.mark.parametrize("place", ["file"], indirect=True)
@pytest.mark.parametrize("name", GROUP)
def test_writes_for_others_that_are_interrupted_at_any_opcode_are_done_once_or_not_told(
    session: EmbeddedSession,
    other: EmbeddedSession,
    waiting: Callable[[], list[QueuedWrite]],
    name: str,
) -> None:
    assert interrupt_group_everywhere(session, other, waiting, name, opcodes=True) > 200


class Caller(Interrupter):
    """Makes a call of its own at one step of a call, as a finalizer or a signal handler does."""

    def __init__(self, countdown: int, call: Callable[[], object]) -> None:
        super().__init__(countdown, opcodes=False)
        self.refusal: QuasardbException | None = None
        self._call = call

    def interrupt(self) -> None:
        try:
            self._call()
        except QuasardbException as error:
            self.refusal = error


INNER: dict[str, Callable[[EmbeddedSession], object]] = {
    "put": lambda s: s.blob_put("inner", b"1", NEVER),
    "tag": lambda s: s.attach_tag("inner tagged", "inner"),
    "failing transaction": lambda s: s.run_transaction(
        [
            BatchOperation(OperationKind.BLOB_UPDATE, "inner", b"1"),
            BatchOperation(OperationKind.BLOB_GET, "missing"),
        ]
    ),
}


@pytest.mark.parametrize("same", [True, False], ids=["same session", "another session"])
@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize(
    "name",
    [
        "failing transaction",
        *(
            pytest.param(name, marks=pytest.mark.soak)
            for name in OPERATIONS
            if name not in ("purge", "failing transaction")
        ),
    ],
)
def test_call_in_the_middle_of_another_one_is_done_apart_or_refused(
    session: EmbeddedSession, other: EmbeddedSession, name: str, inner: str, same: bool
) -> None:
    restore(session)
    with suppress(QuasardbException):
        OPERATIONS[name](session)
    expected = state(session)
    begun = time.monotonic()
    for countdown in range(10_000):
        restore(session)
        session.blob_put("inner tagged", b"1", NEVER)
        caller = Caller(countdown, lambda: INNER[inner](session if same else other))
        sys.settrace(caller)
        try:
            with suppress(QuasardbException):
                OPERATIONS[name](session)
        finally:
            sys.settrace(None)
        if inner == "failing transaction":
            assert session.prefix_count("inner") == 1
        elif inner == "put":
            done = caller.raised and not caller.refusal
            assert session.prefix_count("inner") == (2 if done else 1)
        else:
            tags = session.get_tags("inner tagged")
            assert tags == ([] if caller.refusal or not caller.raised else ["inner"])
        for alias in session.prefix_get("inner", 9):
            session.remove(alias)
        assert state(session) == expected
        if not caller.raised:
            break
    assert time.monotonic() - begun < 300  # a call that waits for itself does so for 5 s


def test_session_that_is_closed_in_the_middle_of_its_own_call_closes_after_it(
    session: EmbeddedSession,
) -> None:
    session.connection.call(session.close)
    with pytest.raises(QuasardbException) as caught:
        session.blob_get("there")
    assert caught.value.error_code == ErrorCode.INVALID_HANDLE
