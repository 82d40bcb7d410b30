"""Child processes of the tests of the embedded engine: `python -m tests.qdb.embedded.children`."""

from __future__ import annotations

import atexit
import os
import random
import resource
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession, large_contents
from storekit.qdb.engine import BatchOperation, OperationKind
from storekit.qdb.errors import QuasardbException


def add(path: str, count: str) -> None:
    """Count, in one entry by adding and in another by comparing and swapping."""
    session = EmbeddedEngine(f"embedded:{path}", timeout=60).connect()
    for _ in range(int(count)):
        session.int_add("sum", 1)
        seen = session.blob_get("swapped")
        while True:
            there = session.blob_compare_and_swap("swapped", b"%d" % (int(seen) + 1), seen, 0)
            if there is None:
                break
            seen = there
    session.close()


def create(path: str, name: str) -> None:
    """Make the store, or find it made by others meanwhile."""
    session = EmbeddedEngine(f"embedded:{path}").connect()
    session.blob_put(name, b"here", 0)
    session.close()


def hold(path: str) -> None:
    """Keep the store locked until the input ends."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    sys.stdout.write("locked\n")
    sys.stdout.flush()
    sys.stdin.read()
    db.execute("ROLLBACK")
    db.close()


def descriptors(path: str) -> None:
    """Open what needs files while there are none to be had, and again later."""
    large_contents.LARGE_CONTENT = 100
    engine = EmbeddedEngine(f"embedded:{path}")
    session = engine.connect()
    session.blob_put("large", bytes(200), 0)
    attempts: list[Callable[[], object]] = [
        lambda: engine.connect().close(),
        lambda: EmbeddedEngine(f"embedded:{path}-new").connect().close(),
        lambda: session.blob_get("large"),
        lambda: session.blob_get_into("large", memoryview(bytearray(200))),
        lambda: session.blob_update("large", bytes(300), 0),
        lambda: session.blob_put(f"other {len(taken)}", bytes(300), 0),
        lambda: session.blob_get_and_update("large", bytes(200), 0),
    ]
    taken: list[int] = []
    with suppress(Exception):
        EmbeddedEngine("embedded:/no/such/directory/store").connect()  # loads what errors need
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    told = 0
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for attempt in attempts:
        try:
            attempt()
        except QuasardbException as error:
            told += "too many open files" in str(error)
    for file in taken:
        os.close(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for attempt in attempts:
        attempt()
    session.close()
    sys.stdout.write(f"{told} told of, {len(attempts)} done later")


def at_exit(place: str) -> None:
    """Use a store in a handler that was registered before there was one."""
    stores: list[EmbeddedSession] = []

    def save() -> None:
        sys.stdout.write("content " + stores[0].blob_get("a").decode())
        EmbeddedEngine(place).connect().close()

    atexit.register(save)
    stores.append(EmbeddedEngine(place).connect())
    stores[0].blob_put("a", b"1", 0)


def fork(path: str) -> None:
    """Fork with open sessions; the child is refused them, and opens the store anew."""
    engine = EmbeddedEngine(f"embedded:{path}")
    memory = EmbeddedEngine("embedded:")
    session, private = engine.connect(), memory.connect()
    session.blob_put("parent", b"1", 0)
    opened, closed = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        refused = 0
        for attempt in (
            lambda: session.blob_get("parent"),
            lambda: session.scan(None, 1),
            lambda: private.blob_get("x"),
            memory.connect,
        ):
            try:
                attempt()
            except Exception as error:
                refused += "fork" in str(error)
        own = engine.connect()
        own.blob_put("child", own.blob_get("parent"), 0)
        os.write(opened[1], b".")
        os.read(closed[0], 1)
        own.blob_put("orphan", b"2", 0)  # the parent must not have taken the log away
        own.close()
        os._exit(refused)
    os.read(opened[0], 1)
    session.blob_put("later", b"3", 0)
    session.close()
    os.write(closed[1], b".")
    _, status = os.waitpid(child, 0)
    again = engine.connect()
    found = sorted(alias for alias, _ in again.scan(None, 100)[0])
    sys.stdout.write(" ".join([str(os.waitstatus_to_exitcode(status)), *found]))
    again.close()


def kill(path: str, rounds: str, threads: str = "1", durable: str = "") -> None:
    """Kill writers at random, again and again: whatever they acknowledged must be there."""
    chance = random.Random(20260101)
    large_contents.LARGE_CONTENT = 1000  # bytes: half of the contents are kept apart
    engine = EmbeddedEngine(f"embedded:{path}", durable=bool(durable))
    acknowledged: dict[str, bytes] = {}
    fresh: dict[str, bytes] = {}
    for number in range(int(rounds)):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            others = [
                threading.Thread(target=_write, args=(engine, f"{number}.{thread}", writer))
                for thread in range(1, int(threads))
            ]
            for other in others:
                other.start()
            _write(engine, f"{number}.0", writer)
        os.close(writer)
        wanted, lines = chance.randrange(1, 25), b""
        wanted *= int(threads)
        while lines.count(b"\n") < wanted:
            lines += os.read(reader, chance.randrange(1, 200))
        for _ in range(chance.randrange(3000)):
            pass  # so that it is hit anywhere in its work
        os.kill(child, signal.SIGKILL)
        while more := os.read(reader, 65536):
            lines += more
        os.close(reader)
        os.waitpid(child, 0)
        for line in lines.split(b"\n")[:-1]:
            alias, size = line.decode().split()
            if size == "?":
                fresh.pop(alias)
            else:
                fresh[alias] = b"." * int(size)
        if number % 10 == 9:  # in between, the next writer is the one that recovers
            session = engine.connect()
            _check(session, fresh)
            session.close()
            acknowledged |= fresh
            fresh = {}
    session = engine.connect()
    acknowledged |= fresh
    _check(session, acknowledged)
    session.close()
    db = sqlite3.connect(path)
    (verdict,) = db.execute("PRAGMA integrity_check").fetchone()
    sys.stdout.write(f"{len(acknowledged)} {verdict}")
    db.close()


def _write(engine: EmbeddedEngine, name: str, writer: int) -> None:
    session = engine.connect()
    for count in range(10_000):
        alias, size = f"{name}.{count}", (count * 977) % 2000
        value = b"." * size
        if count % 3 == 2:
            pair = [
                BatchOperation(OperationKind.BLOB_PUT, f"{side}{alias}", value) for side in "<>"
            ]
            session.run_transaction(pair)
            os.write(writer, f"<{alias} {size}\n>{alias} {size}\n".encode())
        else:
            session.blob_update(alias, value, 0)
            os.write(writer, f"{alias} {size}\n".encode())
            if count % 3 == 1:
                os.write(writer, f"{alias} ?\n".encode())
                session.remove(alias)
    os._exit(0)


def _check(session: EmbeddedSession, expected: dict[str, bytes]) -> None:
    for alias, value in expected.items():
        assert session.blob_get(alias) == value, alias
        if alias.startswith("<"):
            assert session.blob_get(f">{alias[1:]}") == value, alias
    # a transaction that was cut off left nothing
    assert session.prefix_count("<") == session.prefix_count(">")


if __name__ == "__main__":
    commands = (add, at_exit, create, descriptors, fork, hold, kill)
    {command.__name__: command for command in commands}[sys.argv[1]](*sys.argv[2:])
