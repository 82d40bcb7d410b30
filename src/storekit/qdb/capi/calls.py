"""The base of all calls of a session: the handle, the functions, and memory for results.

cffi takes half a microsecond to allocate memory for a result, so each session allocates it once
for most calls. They can share it because turns on the handle exclude each other.
"""

from collections.abc import Callable, Sequence

from storekit.qdb.capi.arguments import INT64_MAX
from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import CData, Library
from storekit.qdb.errors import NEVER_REACHED, ErrorCode, QuasardbException, error_for

__all__ = ["CREATED", "NOT_FOUND", "NOT_RUN", "TAG_NOT_SET", "UNMATCHED", "Calls"]


def _signed(code: int) -> int:
    return code - 2**32 if code > INT64_MAX >> 32 else code


# The codes as the library returns them; `ErrorCode` has them unsigned.
CREATED = _signed(ErrorCode.OK_CREATED)
NOT_FOUND = _signed(ErrorCode.ALIAS_NOT_FOUND)
UNMATCHED = _signed(ErrorCode.UNMATCHED_CONTENT)
TAG_NOT_SET = _signed(ErrorCode.TAG_NOT_SET)

NOT_RUN = frozenset({ErrorCode.SKIPPED, ErrorCode.UNINITIALIZED})
"""Codes of operations of a batch that were not run. Unsigned, as all codes of operations."""


class Calls:
    """Base of all parts of a session."""

    def __init__(self, library: Library, handle: Handle) -> None:
        ffi = library.ffi
        self._ffi = ffi
        self._lib = library.lib
        self._handle = handle
        self._out = ffi.new("const void **")
        self._size = ffi.new("qdb_size_t *")
        self._int = ffi.new("qdb_int_t *")
        self._double = ffi.new("double *")
        self._aliases = ffi.new("const char ***")
        self._count = ffi.new("size_t *")
        self._uint = ffi.new("qdb_uint_t *")

    def _function(self, name: str) -> Callable[..., int]:
        """Return a function of the library. Raises `NOT_IMPLEMENTED` if the library lacks it."""
        try:
            function: Callable[..., int] = getattr(self._lib, name)
        except AttributeError:
            detail = f"This version of the C library has no {name}; use a later one."
            raise error_for(ErrorCode.NOT_IMPLEMENTED, detail) from None
        return function

    def _do(self, call: Callable[..., int], *arguments: CData) -> None:
        """Make a call without a result; raise if it failed."""
        with self._handle as pointer:
            code = call(pointer, *arguments)
            if code:
                raise self._handle.failure(code)

    def _update(self, call: Callable[..., int], *arguments: CData) -> bool:
        """Make an update, and return whether the entry was created."""
        with self._handle as pointer:
            code = call(pointer, *arguments)
            if code and code != CREATED:
                raise self._handle.failure(code)
        return code == CREATED

    def _content(self, call: Callable[..., int], *arguments: CData) -> bytes | memoryview:
        """Make a call that returns content."""
        out, size = self._out, self._size
        with self._handle as pointer:
            code = call(pointer, *arguments, out, size)
            if code:
                self._handle.drop(out)
                raise self._handle.failure(code)
            return self._handle.take(out, size[0])

    def _texts(self, call: Callable[..., int], *arguments: CData) -> list[str]:
        """Make a call that returns aliases or tags; some versions raise an error for none."""
        out, count = self._aliases, self._count
        with self._handle as pointer:
            count[0] = 0
            code = call(pointer, *arguments, out, count)
            if code:
                self._handle.drop(out)
                if code == NOT_FOUND:
                    return []
                raise self._handle.failure(code)
            return self._handle.take_texts(out, count[0])

    def _batch_failure(self, done: int, codes: Sequence[int]) -> QuasardbException | None:
        """Return the error of a batch as a whole; None if the outcomes are complete.

        `done` is how many operations the library reports as successful. By its headers, results
        such as "does not match" count; its documentation leaves that open. Both are accepted.
        """
        if done == 0 and all(code in NOT_RUN for code in codes):
            # The cause is only in the last error.
            code, detail = self._handle.last_error()
            return error_for(code or ErrorCode.SKIPPED, detail)
        results = sum(code >> 24 & 0xF == 0 for code in codes)
        if codes.count(ErrorCode.OK) <= done <= results and ErrorCode.UNINITIALIZED not in codes:
            return None
        code, detail = self._handle.last_error()
        if not code or code in NEVER_REACHED:  # wrong, since a part of the batch may be done
            code = ErrorCode.INTERNAL_LOCAL
        broken = f"The outcomes of the batch are incomplete: {done} of {len(codes)} were reported."
        return error_for(code, broken if detail is None else f"{broken} {detail}")

    def _number(self, call: Callable[..., int], place: CData, *arguments: CData) -> CData:
        """Make a call that writes a number to `place`."""
        with self._handle as pointer:
            code = call(pointer, *arguments, place)
            if code:
                raise self._handle.failure(code)
            return place[0]
