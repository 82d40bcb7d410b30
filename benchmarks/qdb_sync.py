"""One call at a time over the C library: small contents, and large ones that are not copied.

The bare calls are those that every client over cffi needs: `qdb_blob_get`, for small content a
copy, and `qdb_release`, with arguments and memory for results prepared in advance.
"""

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import anyio.to_thread

from benchmarks.harness import Calls, Comparison, Contender, Row, run_on_loop, time_calls
from benchmarks.qdb_library import ALIAS, CONTENT, address
from storekit.qdb import AsyncRawClient, RawClient
from storekit.qdb.capi import CapiEngine
from storekit.qdb.capi.library import load_library

__all__ = ["BareHandle", "bare_calls_in_threads", "compare", "contenders", "fill"]

_LARGE_ALIAS = "large"
_LARGE_SIZE = 1_000_000
_ROOT = Path(__file__).resolve().parent.parent

_BARE, _CLIENT, _VENDOR = "bare call, 100 bytes", "RawClient.get, 100 bytes", "quasardb, 100 bytes"
_BARE_LARGE = "bare call without a copy, 1 MB"
_GET_LARGE, _VIEW_LARGE = "RawClient.get, 1 MB", "RawClient.get_view, 1 MB"


def fill(library: Path) -> None:
    """Store the entries to get. All handles of a process share them."""
    with _client(library) as client:
        client.update(ALIAS, CONTENT)
        client.update(_LARGE_ALIAS, bytes(_LARGE_SIZE))


def _client(library: Path) -> RawClient:
    return RawClient(address(), engine=CapiEngine(address(), library=library))


class BareHandle:
    """A handle of the C library, called directly; for one thread."""

    def __init__(self, library: Path, wait: int = 0) -> None:
        opened = load_library(library)
        ffi, lib = opened.ffi, opened.lib
        place = ffi.new("qdb_handle_t *")
        assert lib.qdb_open(place, 0) == 0
        self._handle = handle = place[0]
        assert lib.qdb_connect(handle, address(wait).encode()) == 0
        self._lib = lib

        call, release, buffer = lib.qdb_blob_get, lib.qdb_release, ffi.buffer
        alias, large = ALIAS.encode(), _LARGE_ALIAS.encode()
        out, size = ffi.new("const void **"), ffi.new("qdb_size_t *")

        def get() -> bytes:
            if call(handle, alias, out, size):
                raise RuntimeError("there is no entry")
            content = out[0]
            copy: bytes = buffer(content, size[0])[:]
            release(handle, content)
            return copy

        def get_large() -> int:
            if call(handle, large, out, size):
                raise RuntimeError("there is no entry")
            release(handle, out[0])
            return size[0]  # type: ignore[no-any-return]

        self.get: Callable[[], bytes] = get
        self.get_large: Callable[[], int] = get_large

    def close(self) -> None:
        self._lib.qdb_close(self._handle)


def bare_calls_in_threads(
    library: Path, call: Callable[[BareHandle], object], tasks: int, wait: int = 0
) -> Calls:
    """Calls in threads of anyio, each with its own handle."""

    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Callable[[], Awaitable[object]]]]:
        local = threading.local()
        handles: list[BareHandle] = []

        def in_thread() -> object:
            try:
                handle = local.handle
            except AttributeError:
                handle = local.handle = BareHandle(library, wait)
                handles.append(handle)
            return call(handle)

        try:
            yield [partial(anyio.to_thread.run_sync, in_thread)] * tasks
        finally:
            for handle in handles:
                handle.close()

    return calls()


@contextmanager
def contenders(library: Path, loops: list[str]) -> Iterator[list[Contender]]:
    """Contenders over the library; the vendor's client runs in a separate process."""
    fill(library)
    with _vendor(library) as run_vendor:
        yield [
            Contender(_BARE, partial(_run_bare, library, "get")),
            Contender(_CLIENT, partial(_run_client, library, "get", ALIAS)),
            Contender(_VENDOR, run_vendor),
            Contender(_BARE_LARGE, partial(_run_bare, library, "get_large")),
            Contender(_GET_LARGE, partial(_run_client, library, "get", _LARGE_ALIAS)),
            Contender(_VIEW_LARGE, partial(_run_client, library, "get_view", _LARGE_ALIAS)),
            *(
                Contender(name(tasks, loop), partial(run_on_loop, loop, make_calls, tasks))
                for loop in loops
                for tasks in _VIEW_TASKS
                for name, make_calls in (
                    (_async_view, partial(_view_calls, library)),
                    (_async_bare, partial(bare_calls_in_threads, library, _get_large)),
                )
            ),
        ]


def compare(rows: dict[str, Row], loops: list[str]) -> list[Comparison]:
    """The client against the bare call and the vendor's client."""
    return [
        Comparison.microseconds_more(rows, _CLIENT, _BARE, 3),
        Comparison.times_as_long(rows, _CLIENT, _VENDOR, 1.5),
        Comparison.times_as_long(rows, _BARE, _VENDOR),
        *(
            Comparison.times_as_long(rows, ours, _BARE_LARGE, 1.5)
            for ours in (_GET_LARGE, _VIEW_LARGE)
        ),
        *(
            Comparison.times_as_long(
                rows, _async_view(tasks, loop), _BARE_LARGE, 1.5 if loop != "uvloop" else None
            )
            for tasks in _VIEW_TASKS
            for loop in loops
        ),
        *(
            Comparison.times_as_long(rows, _async_view(tasks, loop), _async_bare(tasks, loop))
            for tasks in _VIEW_TASKS
            for loop in loops
        ),
    ]


_VIEW_TASKS = (1, 8)


def _async_view(tasks: int, loop: str) -> str:
    return f"AsyncRawClient.get_view, 1 MB, {tasks} task{'s' if tasks > 1 else ''}, {loop}"


def _async_bare(tasks: int, loop: str) -> str:
    return f"anyio.to_thread, 1 MB, {tasks} task{'s' if tasks > 1 else ''}, {loop}"


def _get_large(handle: BareHandle) -> int:
    return handle.get_large()


def _run_bare(library: Path, method: str, calls: int) -> float:
    handle = BareHandle(library)
    try:
        return time_calls(getattr(handle, method), calls)
    finally:
        handle.close()


def _run_client(library: Path, method: str, alias: str, calls: int) -> float:
    with _client(library) as client:
        return time_calls(partial(getattr(client, method), alias), calls)


def _view_calls(library: Path, tasks: int) -> Calls:
    @asynccontextmanager
    async def calls() -> AsyncIterator[Sequence[Callable[[], Awaitable[object]]]]:
        engine = CapiEngine(address(), library=library)
        async with AsyncRawClient(address(), engine=engine) as client:
            yield [partial(client.get_view, _LARGE_ALIAS)] * tasks

    return calls()


@contextmanager
def _vendor(library: Path) -> Iterator[Callable[[int], float]]:
    """Start a process with the vendor's client, which measures on request."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.qdb_vendor"],
        cwd=_ROOT,
        # This variable takes precedence over the library beside the extension module.
        env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    requests, answers = process.stdin, process.stdout

    def run(calls: int) -> float:
        print(calls, file=requests, flush=True)
        return float(answers.readline())

    try:
        yield run
    finally:
        requests.close()
        process.wait(10)
        answers.close()
