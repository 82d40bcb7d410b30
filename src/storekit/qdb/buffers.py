"""Reusable memory for the slices of a document."""

import mmap

__all__ = ["WRITTEN_AT_ONCE", "Buffers"]

WRITTEN_AT_ONCE = 1 << 16
"""Bytes of one write to a file. For larger writes, Linux allocates its cache in larger blocks.

Such blocks may be memory that it has not used for long: on a virtual machine with Linux 6.18, new
files of 1 GiB took 0.5 s like this, and up to 3 s when 256 KiB or more were written at once.
"""


class Buffers:
    """Buffers of one size. A caller that takes one gives it back, or just drops it.

    New memory for each slice costs more than reading, checking and writing the slice: the
    system has to find and clear it page by page. With it, 1 GiB took two to three times as long.

    A buffer that may still be in use must not be given back: an abandoned call, for instance,
    may go on in its thread.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """Return a buffer, with arbitrary content. Any thread may call this."""
        if not self._size:
            return memoryview(b"")
        try:
            return self._free.pop()
        except IndexError:
            # Not a bytearray: the allocator keeps some of the freed ones, for each thread.
            return memoryview(mmap.mmap(-1, self._size))

    def clear(self) -> None:
        """Free the buffers that are not taken."""
        self._free.clear()

    def give(self, view: object) -> None:
        """Take back the buffer of a view, if it is one of this size."""
        if isinstance(view, memoryview):
            memory = view.obj
            if isinstance(memory, mmap.mmap) and len(memory) == self._size:
                self._free.append(memoryview(memory))
