"""The C libraries that tests run against: the vendor's, and ours, which is built once a session."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
import itertools
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from storekit.qdb.capi import CapiEngine
from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import Library, load_library
from storekit.qdb.capi.session import CapiSession
from storekit.qdb.errors import QuasardbException

REQUIRED = "STOREKIT_REQUIRE_QDB"
MAX_CONNECT = 10.0  # seconds that nothing here may take; the real limits are asserted
ports = itertools.count(1)  # of stores that no other test has used


def unavailable(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def vendor_path() -> Path:
    """The library inside the package `quasardb`."""
    spec = importlib.util.find_spec("quasardb")
    for directory in (spec and spec.submodule_search_locations) or ():
        path = Path(directory, "libqdb_api.so")
        if path.exists():
            return path
    unavailable("the package quasardb is not installed")


@pytest.fixture(scope="session")
def vendor(vendor_path: Path) -> Library:
    return load_library(vendor_path)


@pytest.fixture(scope="session")
def door_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that `tools/build_qdb_library.py` builds."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        unavailable("there is no C compiler to build the QuasarDB library with")
    try:
        from tools.build_qdb_library import build
    except ImportError as exc:
        unavailable(f"the QuasarDB library cannot be built: {exc}")
    path = build(tmp_path_factory.mktemp("qdb-library"))
    load_library(path)  # at once: cffi may hang if other code has touched capsules in between
    return path


class Counting:
    """The functions of a library, with counts of their calls."""

    def __init__(self, lib: Any) -> None:
        self._lib = lib
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._lib, name)

        def counted(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            return function(*arguments)

        return counted

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)


@pytest.fixture
def counted(vendor: Library) -> Library:
    return dataclasses.replace(vendor, lib=Counting(vendor.lib))


@pytest.fixture
def handle(counted: Library) -> Iterator[Handle]:
    handle = Handle(counted)
    yield handle
    handle.close()


@pytest.fixture
def unconnected(counted: Library, handle: Handle) -> CapiSession:
    """A session that was never connected."""
    return CapiSession(counted, handle)


def refusal(call: Callable[[], object]) -> int:
    with pytest.raises(QuasardbException) as caught:
        call()
    return caught.value.error_code


class Counters:
    """What the library counts: buffers given out, buffers that came back, open handles."""

    def __init__(self, path: Path) -> None:
        self._lib = ctypes.CDLL(str(path))

    def __getattr__(self, name: str) -> int:
        function = getattr(self._lib, f"storekit_qdb_{name}")
        function.restype = ctypes.c_ulonglong
        return function()

    @property
    def outstanding(self) -> int:
        return self.allocated - self.released


@pytest.fixture(scope="session")
def connect(door_path: Path) -> Callable[..., CapiSession]:
    """Opens a session with the store of a port, a new and empty one by default."""

    def connect(port: int | None = None) -> CapiSession:
        port = next(ports) if port is None else port
        return CapiEngine(f"qdb://127.0.0.1:{port}", library=door_path).connect()

    return connect


@pytest.fixture(scope="session")
def counters(door_path: Path) -> Counters:
    load_library(door_path)
    return Counters(door_path)


@pytest.fixture
def door_session(connect, counters: Counters) -> Iterator[CapiSession]:
    """A session with an empty store; what it does must come out even."""
    before, handles = counters.outstanding, counters.handles
    session = connect()
    yield session
    session.close()
    assert session.closed
    assert counters.outstanding == before
    assert counters.handles == handles


# Peers that do not answer as nodes do


def fill(address: tuple[str, int]) -> list[socket.socket]:
    """Fill the queue of a listener, so that the next SYN is dropped."""
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(address)
        fillers.append(filler)
    return fillers


@pytest.fixture
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are accepted and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def black_hole() -> Iterator[tuple[int, Callable[[], None]]]:
    """A port where packets are dropped, and what makes it refuse them."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = fill(listener.getsockname())

    def leave() -> None:
        for each in (listener, *fillers):
            each.close()

    yield listener.getsockname()[1], leave
    leave()


def join_connects() -> None:
    """Wait for connects that were given up."""
    for thread in threading.enumerate():
        if thread.name == "storekit-qdb-connect":
            thread.join(MAX_CONNECT)
            assert not thread.is_alive()
