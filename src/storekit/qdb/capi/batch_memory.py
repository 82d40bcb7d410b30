"""Memory for the operations of a C batch, written and read through memoryviews.

The time of a batch of joined calls is mostly spent in the interpreter. Written field by field
through cffi, an operation takes six microseconds. Here, the fields of all operations are written
and read at once, as slices of views: a get takes half a microsecond, others one and a half.
"""

import time
from array import array
from collections.abc import Container, Sequence
from itertools import accumulate

from storekit.qdb.capi.arguments import INT64_MAX
from storekit.qdb.capi.library import CData
from storekit.qdb.engine import MAX_ALIAS, PRESERVE, BatchOperation, OperationKind, Outcome
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["MOST", "BatchMemory", "Found"]

Found = list[bytes | QuasardbException]

MOST = 256  # operations of a batch
_WORD, _INT = 8, 4  # bytes
_COPIED = 4096  # up to this size in bytes, copying content is faster than pinning it
_AREA = 64 * 1024  # bytes for aliases and small contents at first; it grows as needed
_SOON = 60_000  # ms: an expiry within this time may lie in the past by the clock of a node

_BATCHED = {  # the kinds of operations that can be in a batch, and their numbers in the library
    OperationKind.BLOB_GET: 0,
    OperationKind.BLOB_PUT: 1,
    OperationKind.BLOB_UPDATE: 2,
    OperationKind.BLOB_CAS: 4,
    OperationKind.BLOB_GET_AND_UPDATE: 5,
    OperationKind.INT_PUT: 9,
    OperationKind.INT_UPDATE: 10,
    OperationKind.INT_GET: 11,
    OperationKind.INT_ADD: 12,
    OperationKind.DOUBLE_PUT: 15,
    OperationKind.DOUBLE_UPDATE: 16,
    OperationKind.DOUBLE_GET: 17,
    OperationKind.DOUBLE_ADD: 18,
    OperationKind.STRING_GET: 19,
    OperationKind.STRING_PUT: 20,
    OperationKind.STRING_UPDATE: 21,
    OperationKind.STRING_CAS: 22,
    OperationKind.STRING_GET_AND_UPDATE: 23,
    OperationKind.REMOVE: 28,  # of a blob; entries of other types are then removed separately
}
_TEXTS = frozenset(
    {
        OperationKind.STRING_PUT,
        OperationKind.STRING_UPDATE,
        OperationKind.STRING_CAS,
        OperationKind.STRING_GET_AND_UPDATE,
    }
)
_READS = frozenset({OperationKind.BLOB_GET, OperationKind.STRING_GET})

# The fields that an operation has. Plain numbers, since looking up a member of an enumeration
# takes a tenth of a microsecond each time.
_PLAIN, _WRITE, _REPLACE, _SWAP, _INT_WRITE, _INT_ADD, _DOUBLE_WRITE, _DOUBLE_ADD = range(8)
_STORING = frozenset({_WRITE, _REPLACE, _SWAP})
_COUNTING = frozenset({_INT_WRITE, _INT_ADD})
_FIELDS: dict[OperationKind, int] = {
    **dict.fromkeys(_BATCHED, _PLAIN),
    **dict.fromkeys(
        [
            OperationKind.BLOB_PUT,
            OperationKind.BLOB_UPDATE,
            OperationKind.STRING_PUT,
            OperationKind.STRING_UPDATE,
        ],
        _WRITE,
    ),
    **dict.fromkeys(
        [OperationKind.BLOB_GET_AND_UPDATE, OperationKind.STRING_GET_AND_UPDATE], _REPLACE
    ),
    **dict.fromkeys([OperationKind.BLOB_CAS, OperationKind.STRING_CAS], _SWAP),
    **dict.fromkeys([OperationKind.INT_PUT, OperationKind.INT_UPDATE], _INT_WRITE),
    **dict.fromkeys([OperationKind.DOUBLE_PUT, OperationKind.DOUBLE_UPDATE], _DOUBLE_WRITE),
    OperationKind.INT_ADD: _INT_ADD,
    OperationKind.DOUBLE_ADD: _DOUBLE_ADD,
}

# The kind of content that a successful operation returns.
_NOTHING, _CONTENT, _INTEGER, _FLOAT = range(4)
_GIVEN: dict[OperationKind, int] = {
    **dict.fromkeys(_BATCHED, _NOTHING),
    **dict.fromkeys(
        [*_READS, OperationKind.BLOB_GET_AND_UPDATE, OperationKind.STRING_GET_AND_UPDATE], _CONTENT
    ),
    **dict.fromkeys([OperationKind.INT_GET, OperationKind.INT_ADD], _INTEGER),
    **dict.fromkeys([OperationKind.DOUBLE_GET, OperationKind.DOUBLE_ADD], _FLOAT),
}

_DONE = 0
_NEW = int(ErrorCode.OK_CREATED)
_UNMATCHED = int(ErrorCode.UNMATCHED_CONTENT)
_UNINITIALIZED = int(ErrorCode.UNINITIALIZED)
_INT_MIN = -INT64_MAX - 1
_REMOVE = OperationKind.REMOVE
_ZEROS = (0,) * 8
_OK = Outcome(ErrorCode.OK)
_CREATED = Outcome(ErrorCode.OK_CREATED)


def _is_utf8(content: bytes) -> bool:
    try:
        str(content, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _raw(alias: str) -> bytes:
    """Return the alias as bytes for the library; empty if it is malformed."""
    try:
        raw = alias.encode()
    except (UnicodeEncodeError, AttributeError):
        return b""
    return raw if len(raw) <= MAX_ALIAS and b"\0" not in raw else b""


class BatchMemory:
    """Memory for the operations of a batch, with views of it."""

    def __init__(self, ffi: CData, lib: CData) -> None:
        self._ffi = ffi
        self._lib = lib
        kind = ffi.typeof("qdb_operation_t")
        self.operations: CData = ffi.new("qdb_operation_t[]", MOST)
        memory = memoryview(ffi.buffer(self.operations))
        self._words = memory.cast("q")
        self._doubles = memory.cast("d")
        self._ints = memory.cast("I")
        self._pointers = ffi.cast("char **", self.operations)
        self._step = ffi.sizeof(kind) // _WORD
        self._alias = ffi.offsetof(kind, "alias") // _WORD
        self._first = ffi.offsetof(kind, "blob_get", "content") // _WORD  # field of the union
        self._int_step = ffi.sizeof(kind) // _INT
        self._type = ffi.offsetof(kind, "type") // _INT
        self._error = ffi.offsetof(kind, "error") // _INT
        self._get_kinds = memoryview(array("I", [int(OperationKind.BLOB_GET)] * MOST))
        self._take_area(_AREA)

    def _take_area(self, size: int) -> None:
        self._area = self._ffi.new("char[]", size)
        self._area_size = size
        self._address = int(self._ffi.cast("uintptr_t", self._area))

    def fill_gets(self, aliases: list[bytes]) -> object:
        """Write a get of each alias. The returned object must live until the batch has run."""
        count = len(aliases)
        text = b"\0".join([*aliases, b""])
        pinned = self._ffi.from_buffer(text)
        address = int(self._ffi.cast("uintptr_t", pinned))
        places = array("q", accumulate([len(each) + 1 for each in aliases[:-1]], initial=address))
        self._lib.qdb_init_operations(self.operations, count)
        self._ints[self._type : self._int_step * count : self._int_step] = self._get_kinds[:count]
        self._words[self._alias : self._step * count : self._step] = memoryview(places)
        return pinned

    def fill(
        self, operations: Sequence[BatchOperation], apart: Container[OperationKind]
    ) -> tuple[list[BatchOperation], object]:
        """Write the operations that can be in a batch, without those that would make it fail.

        Returns the written ones, and objects that must live until the batch has run.

        One loop does all: a function for each kind, or for each content, made it a tenth slower.
        """
        joined: list[BatchOperation] = []
        kept: list[CData] = []
        texts: list[bytes] = []
        end = self._address  # address after the used part of the area
        words: list[int] = []
        doubles: list[tuple[int, float]] = []
        soon = 0.0
        for operation in operations:
            kind, alias, expiry = operation.kind, operation.alias, operation.expiry
            fields = _FIELDS.get(kind)
            raw = _raw(alias)
            if fields is None or kind in apart or not raw:
                continue
            if raw[:2] == b".." and kind not in _READS:
                continue
            if expiry and expiry != PRESERVE:
                soon = soon or 1000 * time.time() + _SOON
                if not soon < expiry <= INT64_MAX:
                    continue
            start, after = end, end + len(raw) + 1
            if fields in _STORING:
                content = operation.content
                comparand = operation.comparand if fields == _SWAP else b""
                if type(content) is not bytes or type(comparand) is not bytes:
                    continue
                if kind in _TEXTS and not (_is_utf8(content) and _is_utf8(comparand)):
                    continue
                texts += (raw, b"\0")
                size = len(content)
                if size <= _COPIED:
                    texts.append(content)
                    place, after = after, after + size
                else:
                    place = self._pin(content, kept)
                if fields == _WRITE:
                    more = place, size, expiry, 0, 0, 0, 0, 0
                elif fields == _REPLACE:
                    more = 0, 0, place, size, expiry, 0, 0, 0
                else:
                    other = len(comparand)
                    if other <= _COPIED:
                        texts.append(comparand)
                        there, after = after, after + other
                    else:
                        there = self._pin(comparand, kept)
                    more = 0, 0, place, size, there, other, 0, expiry
            else:
                value = operation.content
                more = _ZEROS
                if fields in _COUNTING:
                    if type(value) is not int or not _INT_MIN <= value <= INT64_MAX:
                        continue
                    if fields == _INT_ADD:
                        more = 0, value, 0, 0, 0, 0, 0, 0
                    else:
                        more = value, expiry, 0, 0, 0, 0, 0, 0
                elif fields != _PLAIN:
                    if not isinstance(value, int | float):
                        continue
                    more = 0, expiry, 0, 0, 0, 0, 0, 0
                    adds = fields == _DOUBLE_ADD
                    doubles.append((len(words) + self._first + adds, value))
                texts += (raw, b"\0")
            end = after
            joined.append(operation)
            words += (_BATCHED[kind], start, _UNINITIALIZED)
            words += more
        if end - self._address > self._area_size:
            self._take_area(2 * (end - self._address))
            return self.fill(operations, apart)
        self._write(texts, words, doubles)
        return joined, kept

    def _write(
        self, texts: list[bytes], words: list[int], doubles: list[tuple[int, float]]
    ) -> None:
        """Write the texts into the area, all fields as integers, then the doubles over them."""
        text = b"".join(texts)
        self._ffi.memmove(self._area, text, len(text))
        self._words[: len(words)] = memoryview(array("q", words))
        for index, number in doubles:
            self._doubles[index] = number

    def _pin(self, content: bytes, kept: list[CData]) -> int:
        pinned = self._ffi.from_buffer(content)
        kept.append(pinned)
        return int(self._ffi.cast("uintptr_t", pinned))

    def codes(self, count: int) -> list[int]:
        """Return the code of each, unsigned."""
        return self._ints[self._error : self._int_step * count : self._int_step].tolist()

    def contents(self, codes: list[int]) -> Found:
        """Return copies of the contents of all gets, or their errors."""
        pointers, unpack = self._pointers, self._ffi.unpack
        end = self._step * len(codes)
        sizes = self._words[self._first + 1 : end : self._step].tolist()
        places = range(self._first, end, self._step)
        return [
            error_for(code) if code else (unpack(pointers[place], size) if size else b"")
            for code, size, place in zip(codes, sizes, places, strict=True)
        ]

    def outcomes(
        self, operations: Sequence[BatchOperation], codes: Sequence[int]
    ) -> list[Outcome | None]:
        """Return the outcomes, with copies of contents; None for one that is still to be done."""
        outcomes: list[Outcome | None] = []
        place = self._first - self._step
        outcome: Outcome | None
        for operation, code in zip(operations, codes, strict=True):
            place += self._step
            if code == _DONE:
                outcome = _OK
                given = _GIVEN[operation.kind]
                if given == _CONTENT:
                    outcome = Outcome(code, self._content(place))
                elif given == _INTEGER:
                    outcome = Outcome(code, self._words[place])
                elif given == _FLOAT:
                    outcome = Outcome(code, self._doubles[place])
            elif code == _NEW:
                outcome = _CREATED
            elif code == _UNMATCHED and _FIELDS[operation.kind] == _SWAP:
                outcome = Outcome(code, self._content(place))
            elif code == ErrorCode.INCOMPATIBLE_TYPE and operation.kind is _REMOVE:
                outcome = None  # not a blob: to be removed by a separate call
            else:
                outcome = Outcome(code)
            outcomes.append(outcome)
        return outcomes

    def _content(self, place: int) -> bytes:
        size = self._words[place + 1]
        copy: bytes = self._ffi.unpack(self._pointers[place], size) if size else b""
        return copy
