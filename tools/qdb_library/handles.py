"""Handles of the C library, their buffers, and the stores that they are connected to."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from storekit.qdb.embedded import EmbeddedEngine, parse_location
from storekit.qdb.engine import Session
from storekit.qdb.errors import ErrorCode, error_for
from tools.qdb_library.embedding import CData, ffi

__all__ = [
    "DATA",
    "Handle",
    "address",
    "clock",
    "close_handle",
    "counters",
    "find",
    "open_handle",
    "open_handles",
]

DATA = "STOREKIT_QDB_LIBRARY_DATA"
_COPIED = 4096  # content of fewer bytes is copied

counters = {"allocated": 0, "released": 0}
clock: Callable[[], int] | None = None
"""The clock, in milliseconds, of stores that are opened from now on; for tests."""

_handles: dict[int, "Handle"] = {}
_engines: dict[str, EmbeddedEngine] = {}
_lock = threading.Lock()  # for `counters`, `_handles` and `_engines`


class Handle:
    """The state of a C handle. Calls hold its lock."""

    def __init__(self) -> None:
        self.pointer = ffi.cast("qdb_handle_t", ffi.new_handle(self))
        self.lock = threading.RLock()
        self.error = (0, "")
        self.nodes: list[str] = []
        self.options: dict[str, CData] = {"timeout": 300_000, "timezone": "Etc/UTC"}
        self.iterators: dict[int, CData] = {}
        self._session: Session | None = None
        self._buffers: dict[int, list[CData]] = {}

    @property
    def session(self) -> Session:
        """The session, once it is connected."""
        if self._session is None:
            raise error_for(ErrorCode.NOT_CONNECTED)
        return self._session

    def connect(self, nodes: list[str]) -> None:
        """Connect to the store of the first node."""
        with _lock:
            engine = _engines.get(nodes[0])
            if engine is None:
                location = parse_location(_location(nodes[0]))
                engine = _engines[nodes[0]] = EmbeddedEngine(location, node=nodes[0], clock=clock)
        session = engine.connect()
        self.disconnect()
        self.nodes, self._session = nodes, session

    def disconnect(self) -> None:
        """Close the session, if there is one."""
        session, self._session = self._session, None
        if session is not None and not sys.is_finalizing():  # by then, the stores are closed
            session.close()

    # Buffers, by their addresses, or those of their owners

    def hand_out(self, content: bytes | memoryview, owner: CData = None) -> CData:
        """Return a pointer to the content, valid until that pointer, or `owner`, is released."""
        size = len(content)
        buffer = ffi.from_buffer(content) if size >= _COPIED else ffi.new("char[]", size + 1)
        if size < _COPIED or address(buffer) in self._buffers:
            buffer = ffi.new("char[]", size + 1)
            ffi.memmove(buffer, content, size)
        self.keep(buffer, buffer if owner is None else owner)
        return buffer

    def allocate(self, size: int) -> CData:
        """Return a pointer to `size` bytes."""
        buffer = ffi.new("char[]", size)
        self.keep(buffer, buffer)
        return buffer

    def keep(self, buffer: CData, owner: CData) -> None:
        """Keep memory until the pointer `owner` is released."""
        self._buffers.setdefault(address(owner), []).append(buffer)
        _count("allocated", 1)

    def release(self, pointer: CData) -> None:
        """Free the buffers of this pointer; any other pointer is ignored."""
        _count("released", len(self._buffers.pop(address(pointer), ())))


def address(pointer: CData) -> int:
    """Return a pointer as a number."""
    return int(ffi.cast("uintptr_t", pointer))


def open_handle() -> Handle:
    """Return a new handle."""
    handle = Handle()
    with _lock:
        _handles[address(handle.pointer)] = handle
    return handle


def find(pointer: CData) -> Handle | None:
    """Return the handle of a pointer; None if it is not a handle, or a closed one."""
    return _handles.get(address(pointer))


def close_handle(pointer: CData) -> bool:
    """Close the handle and free its buffers; return whether there was such a handle."""
    with _lock:
        handle = _handles.pop(address(pointer), None)
    if handle is None:
        return False
    with handle.lock:
        handle.disconnect()
    return True


def open_handles() -> int:
    """Return how many handles are open."""
    return len(_handles)


def _count(what: str, number: int) -> None:
    with _lock:
        counters[what] += number


def _location(node: str) -> str:
    directory = os.environ.get(DATA)
    if not directory:
        return "embedded:"
    name = "".join(letter if letter.isalnum() else "_" for letter in node)
    return f"embedded:{Path(directory) / name}.db"
