"""Operations that write, and those that can't be joined, against threads of anyio.

As in `qdb_async`, the bare call needs no client: each thread of anyio has its own handle. A step
of "put, remove" is two calls, one after the other, on both sides; so is one of
"update, get_remove".
"""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread

from benchmarks.harness import Calls, Comparison, Contender, Row, run_on_loop
from benchmarks.qdb_library import ALIAS, CONTENT, address
from benchmarks.qdb_sync import fill
from storekit.qdb import AsyncRawClient
from storekit.qdb.capi import CapiEngine
from storekit.qdb.capi.library import load_library

__all__ = ["compare", "contenders"]

_THREADS = "anyio.to_thread"
_JOINED = ("update", "put, remove", "compare_and_swap", "int_add")
_APART = ("update, get_remove", "expires_at", "has_tag")
_MIXED, _READS = "1 update to 4 gets", "gets alone"


@dataclass(frozen=True)
class _Case:
    """The number of concurrent tasks, and the wait of a call in µs."""

    wait: int
    tasks: int

    def __str__(self) -> str:
        wait = "no wait" if not self.wait else f"{self.wait} µs"
        return f"{wait}, {self.tasks} task{'s' if self.tasks > 1 else ''}"


_TARGETS = {  # for the ratio of operations per second, ours to those of anyio's threads
    _Case(0, 8): 4, _Case(0, 64): 8, _Case(0, 512): 10,
    _Case(100, 64): 8, _Case(100, 512): 13,
    _Case(1000, 64): 3, _Case(1000, 512): 12,
}  # fmt: skip
_OTHERS = (_Case(0, 1), _Case(100, 1), _Case(100, 8), _Case(1000, 1), _Case(1000, 8))
_APART_CASES = tuple(_Case(wait, tasks) for wait in (0, 100, 1000) for tasks in (8, 64, 512))


_QUICK = 8
"""Tasks of the cases of a quick run."""


def _pairs(loops: list[str], *, quick: bool) -> list[tuple[str, _Case, str, float | None]]:
    """Operation, case, loop and target of all comparisons with anyio's threads."""
    own = [loop for loop in loops if loop != "uvloop"]
    pairs: list[tuple[str, _Case, str, float | None]] = [
        (operation, case, loop, target)
        for operation in _JOINED
        for case, target in _TARGETS.items()
        for loop in own
    ]
    pairs += [("update", case, loop, None) for case in _OTHERS for loop in own]
    if "uvloop" in loops:  # for information
        pairs += [("update", case, "uvloop", None) for case in _TARGETS]
    pairs += [(name, case, loop, 1) for name in _APART for case in _APART_CASES for loop in own]
    return [pair for pair in pairs if not quick or pair[1].tasks == _QUICK]


def _mixed_cases(*, quick: bool) -> list[_Case]:
    return [case for case in _TARGETS if not quick or case.tasks == _QUICK]


def contenders(library: Path, loops: list[str], *, quick: bool = False) -> list[Contender]:
    """Both sides, in all cases."""
    fill(library)
    _fill_entries(library)
    found: list[Contender] = []
    for operation, case, loop, _ in _pairs(loops, quick=quick):
        for side, calls in (("", _client_calls), (f", {_THREADS}", _thread_calls)):
            make = partial(calls, library, case.wait, operation)
            found.append(
                Contender(
                    f"{operation}{side}, {case}, {loop}",
                    partial(run_on_loop, loop, make, case.tasks),
                )
            )
    for case in _mixed_cases(quick=quick):
        for loop in loops:
            for name in (_MIXED, _READS):
                make = partial(_client_calls, library, case.wait, name)
                found.append(
                    Contender(
                        f"{name}, {case}, {loop}", partial(run_on_loop, loop, make, case.tasks)
                    )
                )
    return found


def compare(rows: dict[str, Row], loops: list[str], *, quick: bool = False) -> list[Comparison]:
    """The ratios of calls per second, ours to those of anyio's threads."""
    compared = [
        replace(
            Comparison.times_faster(
                rows,
                f"{operation}, {case}, {loop}",
                f"{operation}, {_THREADS}, {case}, {loop}",
                target,
            ),
            name=f"{operation}, {case}, {loop}",
        )
        for operation, case, loop, target in _pairs(loops, quick=quick)
    ]
    return compared + [
        replace(
            Comparison.times_faster(
                rows,
                f"{_MIXED}, {case}, {loop}",
                f"{_READS}, {case}, {loop}",
                0.8 if loop != "uvloop" else None,
            ),
            name=f"{_MIXED} vs gets alone, {case}, {loop}",
        )
        for case in _mixed_cases(quick=quick)
        for loop in loops
    ]


def _fill_entries(library: Path) -> None:
    """Store the entries of the tasks, without waits. All handles of a process share them."""
    handle = _Handle(library, 0)
    for number in range(max(case.tasks for case in _TARGETS)):
        handle.call("update", number)
        handle.call("int_update", number)
    handle.close()


def _client_calls(library: Path, wait: int, operation: str, tasks: int) -> Calls:
    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Callable[[], Awaitable[object]]]]:
        engine = CapiEngine(address(wait), library=library)
        async with AsyncRawClient(address(wait), engine=engine) as client:
            yield [_step(client, operation, number) for number in range(tasks)]

    return calls()


def _step(client: AsyncRawClient, operation: str, number: int) -> Callable[[], Awaitable[object]]:
    blob, integer, other = f"b{number}", f"i{number}", f"o{number}"

    async def put_remove() -> None:
        await client.put(other, CONTENT)
        await client.remove(other)

    async def update_get_remove() -> None:
        await client.update(other, CONTENT)
        await client.get_remove(other)

    turn = number

    async def mixed() -> None:
        nonlocal turn
        turn += 1
        if turn % 5:
            await client.get(ALIAS)
        else:
            await client.update(blob, CONTENT)

    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "update": partial(client.update, blob, CONTENT),
        "put, remove": put_remove,
        "compare_and_swap": partial(client.compare_and_swap, blob, CONTENT, CONTENT),
        "int_add": partial(client.int_add, integer, 1),
        "update, get_remove": update_get_remove,
        "expires_at": partial(client.expires_at, blob, None),
        "has_tag": partial(client.has_tag, blob, "tag"),
        _MIXED: mixed,
        _READS: partial(client.get, ALIAS),
    }
    return steps[operation]


def _thread_calls(library: Path, wait: int, operation: str, tasks: int) -> Calls:
    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Callable[[], Awaitable[object]]]]:
        # Removed entries are not those that other operations use.
        removes = operation == "update, get_remove"
        calls_of_step = ("update other", "get_remove") if removes else operation.split(", ")
        local = threading.local()
        handles: list[_Handle] = []

        def in_thread(call: str, number: int) -> object:
            try:
                handle = local.handle
            except AttributeError:
                handle = local.handle = _Handle(library, wait)
                handles.append(handle)
            return handle.call(call, number)

        async def step(number: int) -> None:
            for call in calls_of_step:
                await anyio.to_thread.run_sync(in_thread, call, number)

        try:
            yield [partial(step, number) for number in range(tasks)]
        finally:
            for handle in handles:
                handle.close()

    return calls()


class _Handle:
    """A handle of the C library, called directly; for one thread."""

    def __init__(self, library: Path, wait: int) -> None:
        opened = load_library(library)
        ffi, lib = opened.ffi, opened.lib
        place = ffi.new("qdb_handle_t *")
        assert lib.qdb_open(place, 0) == 0
        self._handle = handle = place[0]
        self._close = lib.qdb_close
        assert lib.qdb_connect(handle, address(wait).encode()) == 0
        out, size, total = (
            ffi.new("const void **"),
            ffi.new("qdb_size_t *"),
            ffi.new("qdb_int_t *"),
        )
        length = len(CONTENT)

        def get_remove(alias: bytes) -> bytes:
            lib.qdb_blob_get_and_remove(handle, alias, out, size)
            copy: bytes = ffi.buffer(out[0], size[0])[:]
            lib.qdb_release(handle, out[0])
            return copy

        self._calls: dict[str, tuple[str, Callable[[bytes], Any]]] = {
            "update": ("b", lambda a: lib.qdb_blob_update(handle, a, CONTENT, length, 0)),
            "put": ("o", lambda a: lib.qdb_blob_put(handle, a, CONTENT, length, 0)),
            "remove": ("o", lambda a: lib.qdb_remove(handle, a)),
            "update other": ("o", lambda a: lib.qdb_blob_update(handle, a, CONTENT, length, 0)),
            "get_remove": ("o", get_remove),
            "compare_and_swap": (
                "b",
                lambda a: lib.qdb_blob_compare_and_swap(
                    handle, a, CONTENT, length, CONTENT, length, 0, out, size
                ),
            ),
            "int_update": ("i", lambda a: lib.qdb_int_update(handle, a, 0, 0)),
            "int_add": ("i", lambda a: lib.qdb_int_add(handle, a, 1, total)),
            "expires_at": ("b", lambda a: lib.qdb_expires_at(handle, a, 0)),
            "has_tag": ("b", lambda a: lib.qdb_has_tag(handle, a, b"tag")),
        }

    def call(self, operation: str, number: int) -> object:
        kind, call = self._calls[operation]
        return call(f"{kind}{number}".encode())

    def close(self) -> None:
        self._close(self._handle)
