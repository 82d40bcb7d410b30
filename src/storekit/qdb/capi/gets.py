"""Many gets as one batch, without an object for each operation.

Gets that wait together are the batch that every program makes, and its time is mostly the
interpreter's: half a microsecond a get here, six by way of `Operation` and `Outcome`. So
the fields of all operations are written and read as slices of views of their memory.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate

from storekit.qdb.capi.arguments import alias_to_read
from storekit.qdb.capi.calls import Calls
from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import CData, Library
from storekit.qdb.engine import Kind
from storekit.qdb.errors import QuasardbException, error_for

__all__ = ["Gets"]

_ROOM = 256  # operations
_WORD, _INT = 8, 4  # bytes

Found = list[bytes | QuasardbException]


class Gets(Calls):
    """Gets of blobs, many in one call."""

    def __init__(self, library: Library, handle: Handle) -> None:
        super().__init__(library, handle)
        self._free: _Room | None = None

    def blob_get_many(self, aliases: Sequence[str]) -> Found:
        """Return a copy of the content of each, or its error.

        A view would keep the memory of all of them: the library releases a batch as a whole.
        Raises what kept the library from doing anything, and the error of an alias that is
        malformed, before anything is sent.
        """
        found: Found = []
        for start in range(0, len(aliases), _ROOM):
            found += self._get_some(aliases[start : start + _ROOM])
        return found

    def _get_some(self, aliases: Sequence[str]) -> Found:
        lib, handle = self._lib, self._handle
        raw = [alias_to_read(alias) for alias in aliases]
        with handle as pointer:
            room = self._free or _Room(self._ffi, lib)
            self._free = None
            kept = room.fill(raw)
            try:
                done = lib.qdb_run_batch(pointer, room.operations, len(raw))
                codes = room.codes(len(raw))
                if failure := self._batch_failure(done, codes):
                    raise failure
                return room.contents(codes, room.sizes(len(raw)))
            finally:
                del kept  # the aliases, which must be there until now
                lib.qdb_release(pointer, room.operations)
                self._free = room


class _Room:
    """Memory for operations of a batch, and views of it."""

    def __init__(self, ffi: CData, lib: CData) -> None:
        self._ffi = ffi
        self._lib = lib
        kind = ffi.typeof("qdb_operation_t")
        self.operations: CData = ffi.new("qdb_operation_t[]", _ROOM)
        memory = memoryview(ffi.buffer(self.operations))
        self._words = memory.cast("Q")
        self._ints = memory.cast("I")
        self._pointers = ffi.cast("char **", self.operations)
        self._step = ffi.sizeof(kind) // _WORD
        self._alias = ffi.offsetof(kind, "alias") // _WORD
        self._content = ffi.offsetof(kind, "blob_get", "content") // _WORD
        self._size = ffi.offsetof(kind, "blob_get", "content_size") // _WORD
        self._int_step = ffi.sizeof(kind) // _INT
        self._type = ffi.offsetof(kind, "type") // _INT
        self._error = ffi.offsetof(kind, "error") // _INT
        self._kinds = memoryview(array("I", [int(Kind.BLOB_GET)] * _ROOM))

    def fill(self, aliases: list[bytes]) -> object:
        """Make a get of each alias; what is returned must live until the batch has run."""
        count = len(aliases)
        text = b"\0".join([*aliases, b""])
        pinned = self._ffi.from_buffer(text)
        address = int(self._ffi.cast("uintptr_t", pinned))
        places = array("Q", accumulate([len(each) + 1 for each in aliases[:-1]], initial=address))
        self._lib.qdb_init_operations(self.operations, count)
        self._ints[self._type : self._int_step * count : self._int_step] = self._kinds[:count]
        self._words[self._alias : self._step * count : self._step] = memoryview(places)
        return pinned

    def codes(self, count: int) -> list[int]:
        """Return the code of each, unsigned."""
        return self._ints[self._error : self._int_step * count : self._int_step].tolist()

    def sizes(self, count: int) -> list[int]:
        """Return the size of each content; of one that failed it means nothing."""
        return self._words[self._size : self._step * count : self._step].tolist()

    def contents(self, codes: list[int], sizes: list[int]) -> Found:
        """Return copies of all contents, and errors."""
        pointers, unpack = self._pointers, self._ffi.unpack
        places = range(self._content, self._step * len(codes), self._step)
        return [
            error_for(code) if code else (unpack(pointers[place], size) if size else b"")
            for code, size, place in zip(codes, sizes, places, strict=True)
        ]
