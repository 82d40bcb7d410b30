"""Memory that the slices of a document pass through, one after the other."""

import mmap

__all__ = ["WRITTEN_AT_ONCE", "Buffers"]

WRITTEN_AT_ONCE = 1 << 16
"""Bytes to give the system for a file: for more it looks for memory in larger blocks.

Those may be the ones that it has not used for long: on a virtual machine with Linux 6.18, new
files of 1 GiB took 0.5 s like this, and up to 3 s when 256 KiB or more were written at once.
"""


class Buffers:
    """Memory in pieces of one size. Whoever takes one gives it back, or just drops it.

    Memory that is new for each slice costs more than reading, checking and writing it: the
    system has to find and clear it page by page. With it, 1 GiB took two to three times as long.

    What somebody might still use is not to be given back: a call that was given up, for
    instance, may go on in its thread.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """Return memory with anything in it. Any thread may call this."""
        if not self._size:
            return memoryview(b"")
        try:
            return self._free.pop()
        except IndexError:
            # Not a bytearray: of freed ones the allocator keeps some for each thread.
            return memoryview(mmap.mmap(-1, self._size))

    def clear(self) -> None:
        """Let go of the memory that is not taken."""
        self._free.clear()

    def give(self, view: object) -> None:
        """Take back what a view is on, if it is memory of this size."""
        if isinstance(view, memoryview):
            memory = view.obj
            if isinstance(memory, mmap.mmap) and len(memory) == self._size:
                self._free.append(memoryview(memory))
