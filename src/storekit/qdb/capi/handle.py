"""A handle of the C library: exclusive use by one thread, release of its buffers, closing.

The library does not check these. A call on a closed handle, a second close, a close
during a call, or any close in a forked child can crash or hang the process, and a buffer
that is released on another handle leaks. This module prevents all of them.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable

from storekit.core.forks import fork_count
from storekit.errors import ClientClosed, OwnerMismatch
from storekit.qdb.capi.library import CData, Library
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for, make_error_string

__all__ = ["VIEW_SIZE", "Handle"]

VIEW_SIZE = 64 * 1024
"""Contents of this many bytes and more are returned without a copy."""

_MOMENT = 0.001  # seconds between two checks of who has the turn
_PLAIN = 2  # lower severities are results rather than failures; a detail would add nothing


class Handle:
    """Owns one C handle; `with handle as pointer:` is one turn of calls on it.

    Turns exclude each other without waiting: a second thread gets `OwnerMismatch`. A turn waits
    only while another thread is releasing buffers. `close` never waits: the C handle is closed
    once, by the last of its users: the caller of `close`, a turn, or a view of a buffer.
    """

    def __init__(self, library: Library) -> None:
        ffi, lib = library.ffi, library.lib
        place = ffi.new("qdb_handle_t *")
        code = lib.qdb_open(place, 0)
        if code or place[0] == ffi.NULL:
            raise error_for(code or ErrorCode.NO_MEMORY_LOCAL, operation="open")
        self._ffi = ffi
        self._lib = lib
        self._pointer = place[0]
        self._turn = threading.Lock()
        self._acquire = self._turn.acquire
        self._end_turn = self._turn.release
        self._blob_get = lib.qdb_blob_get
        self._in_call = False  # the turn is for calls, not just for `_clean_up`
        self._cleaner: int | None = None  # the thread in `_clean_up`
        self._release = lib.qdb_release
        self._buffer = ffi.buffer
        self._null = ffi.NULL
        self._fork = fork_count()
        self._views: set[int] = set()  # addresses of buffers that have views
        self._unused: deque[CData] = deque()  # buffers to release when there is no call
        self._closers: dict[CData, Callable[[], None]] = {}
        self._closing = False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "closing" if self._closing else "open"
        return f"<{type(self).__name__} {state}>"

    @property
    def views(self) -> int:
        """How many views of buffers exist."""
        return len(self._views)

    @property
    def closed(self) -> bool:
        """Whether the C handle is closed, or was left to the parent process."""
        return self._closed

    # Turns

    def __enter__(self) -> CData:
        if not self._acquire(False):
            self._wait_for_clean_up()
        # Checked only now: during the turn, no other thread can close the handle.
        if self._closing or self._fork != fork_count():
            self._turn.release()
            self._clean_up()
            raise self._unusable() or ClientClosed("the session is closed")
        self._in_call = True
        return self._pointer

    def __exit__(self, *exc_info: object) -> None:
        self._in_call = False
        self._turn.release()
        if self._closing or self._unused:
            self._clean_up()

    def _wait_for_clean_up(self) -> None:
        """Take the turn when another thread has released buffers; wait for nothing else.

        A view may be freed in any thread at any time, also during this method.
        """
        while True:
            if refused := self._unusable():
                raise refused
            if self._in_call or self._cleaner == threading.get_ident():
                raise OwnerMismatch("another thread is in a call of this session")
            if self._turn.acquire(timeout=_MOMENT):
                return

    def _unusable(self) -> Exception | None:
        if self._fork != fork_count():
            return OwnerMismatch("the session belongs to the parent process: open another one")
        return ClientClosed("the session is closed") if self._closing else None

    def get(self, alias: bytes, out: CData, size: CData) -> bytes | memoryview:
        """Get a blob in one turn.

        The most frequent call: written without `with`, it takes a third less.
        """
        if not self._acquire(False):
            self._wait_for_clean_up()
        self._in_call = True
        try:
            if self._closing or self._fork != fork_count():
                raise self._unusable() or ClientClosed("the session is closed")
            code = self._blob_get(self._pointer, alias, out, size)
            if code:
                self.drop(out)
                raise self.failure(code)
            length = size[0]
            if not 0 < length < VIEW_SIZE:
                return self.take(out, length)
            buffer = out[0]
            out[0] = self._null
            try:
                copy: bytes = self._buffer(buffer, length)[:]
                return copy
            finally:
                self._release(self._pointer, buffer)
        finally:
            self._in_call = False
            self._end_turn()
            if self._closing or self._unused:
                self._clean_up()

    # Closing

    def close(self) -> None:
        """Close the handle now, or as soon as it is not in use."""
        self._closing = True
        self._clean_up()

    def before_close(self, key: CData, closer: Callable[[], None]) -> None:
        """Register a function to call before the handle closes."""
        self._closers[key] = closer

    def forget(self, key: CData) -> None:
        """Remove a function registered by `before_close`, if it is still registered."""
        self._closers.pop(key, None)

    def __del__(self) -> None:
        # Closing can take minutes if the cluster does not respond; the process should not wait
        # for that when it ends.
        if not getattr(self, "_closed", True) and not sys.is_finalizing():
            self.close()

    def _clean_up(self) -> None:
        """Release unused buffers and close the handle, unless there is a call.

        Never waits for a lock, since a view may be freed at any point of the program, also in
        this method. Every turn calls this at its end, so nothing is left undone.
        """
        if self._fork != fork_count():
            # In a child process, the library has no threads, and its locks may never be released.
            self._closed = self._closed or self._closing
            return
        while (self._unused or self._may_close()) and not self._closed:
            if not self._turn.acquire(False):
                return
            self._cleaner = threading.get_ident()
            try:
                last = self._may_close()  # no view can be created during this turn
                while self._unused:
                    self._lib.qdb_release(self._pointer, self._unused.popleft())
                if last and not self._closed:
                    self._closed = True
                    for closer in list(self._closers.values()):
                        closer()
                    self._lib.qdb_close(self._pointer)
            finally:
                self._cleaner = None
                self._turn.release()

    def _may_close(self) -> bool:
        return self._closing and not self._views

    # Buffers; only to be called during a turn

    def take(self, out: CData, size: int) -> bytes | memoryview:
        """Return the content that `out[0]` points to; the buffer is released in any case.

        Small content is copied, and its buffer released at once. A large buffer is released
        when the last view of it is freed, and is readable until then, even in a closed session.
        """
        buffer = out[0]
        out[0] = self._null  # nothing to release if the next call fails
        if size >= VIEW_SIZE:
            return self._view(buffer, size)
        try:
            # The pointer of empty content may be NULL.
            return self._buffer(buffer, size)[:] if size else b""
        finally:
            self._release(self._pointer, buffer)

    def take_bytes(self, out: CData, size: int) -> bytes:
        """Return the content as `take` does, but always copied."""
        buffer = out[0]
        out[0] = self._ffi.NULL
        try:
            return self._ffi.buffer(buffer, size)[:] if size else b""
        finally:
            self._lib.qdb_release(self._pointer, buffer)

    def take_texts(self, out: CData, count: int) -> list[str]:
        """Return an array of strings, which is one buffer for the library."""
        array = out[0]
        out[0] = self._ffi.NULL
        string = self._ffi.string
        try:
            # Other clients may have stored some that are not UTF-8; the list still has the others.
            return [string(array[i]).decode(errors="surrogateescape") for i in range(count)]
        finally:
            self._lib.qdb_release(self._pointer, array)

    def drop(self, out: CData) -> None:
        """Release what a failed call may have left in `out`."""
        if out[0] != self._ffi.NULL:
            buffer = out[0]
            out[0] = self._ffi.NULL
            self._lib.qdb_release(self._pointer, buffer)

    def _view(self, buffer: CData, size: int) -> memoryview:
        ffi = self._ffi
        address = int(ffi.cast("uintptr_t", buffer))

        def freed(_: object) -> None:
            # In this order: without views and unused buffers, the handle might be closed.
            self._unused.append(buffer)
            self._views.discard(address)
            self._clean_up()

        self._views.add(address)
        try:
            owner = ffi.gc(buffer, freed, size)
        except BaseException:
            self._views.discard(address)
            self._lib.qdb_release(self._pointer, buffer)
            raise
        return memoryview(ffi.buffer(owner, size)).toreadonly()

    # Errors

    def failure(self, code: int) -> QuasardbException:
        """Return the error for the result of the last call, with the detail of the library."""
        code &= 0xFFFFFFFF
        if code >> 24 & 0xF < _PLAIN:
            return error_for(code)
        return error_for(code, self.last_error()[1])

    def last_error(self) -> tuple[int, str | None]:
        """Return the code of the last error on this handle, and a detail for its message."""
        code = self._ffi.new("qdb_error_t *")
        message = self._ffi.new("qdb_string_t **")
        failed = self._lib.qdb_get_last_error(self._pointer, code, message)
        if message[0] == self._ffi.NULL:
            return (0 if failed else code[0] & 0xFFFFFFFF), None
        try:
            length = message[0].length
            text = self._ffi.buffer(message[0].data, length)[:] if length else b""
        finally:
            self._lib.qdb_release(self._pointer, message[0])
        return code[0] & 0xFFFFFFFF, _worth_adding(code[0], text.decode(errors="replace"))


def _worth_adding(code: int, text: str) -> str | None:
    """Return the text without the standard message of the code; None if nothing is left."""
    standard = make_error_string(code)
    rest = text.replace(standard, "").replace(standard.rstrip("."), "").strip(" .:\n")
    where, _, what = rest.partition(": ")
    if where.startswith("at qdb_"):
        rest = what.strip(" .:\n")
    return None if not rest or rest.startswith("at qdb_") else f"{rest}."
