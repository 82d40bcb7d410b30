# Generated from src/storekit/qdb/_async/files.py by tools/generate_sync.py; do not edit.

"""Where the bytes of documents come from, and where they go."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from storekit.core.runtime._sync import call_blocking
from storekit.qdb.documents import Slice, take_slice

__all__ = ["Pieces", "Source", "Target"]

Pieces = Iterable[bytes] | Iterable[bytes]
"""Content of a document in pieces of any size."""


@runtime_checkable
class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Source:
    """Reads slices from a path, an open binary file, or pieces."""

    def __init__(self, file: "str | os.PathLike[str] | BinaryIO | Pieces") -> None:
        self._path: Path | None = None
        self._opened: BinaryIO | None = None
        self._file: _Readable | None = None
        self._lazy: Iterator[bytes] | None = None
        self._plain: Iterator[bytes] | None = None
        self._rest = bytearray()
        if isinstance(file, str | os.PathLike):
            self._path = Path(file)
        elif isinstance(file, bytes | bytearray | memoryview):
            raise TypeError("a document comes from a file; for bytes, give io.BytesIO(content)")
        elif isinstance(file, _Readable):
            self._file = file
        elif isinstance(file, Iterable):
            self._lazy = file.__iter__()
        elif isinstance(file, Iterable):
            self._plain = iter(file)
        else:
            raise TypeError(
                "a document comes from a path, an open binary file, or an iterable of bytes, "
                f"not {type(file).__name__}"
            )

    def size(self) -> int | None:
        """Return how many bytes are to come, if that is known."""
        if self._path is not None:
            return call_blocking(self._path.stat).st_size
        return None

    def take(self, number: int, size: int) -> Slice | None:
        """Return the next slice; None at the end."""
        if self._path is not None and self._file is None:
            self._file = self._opened = call_blocking(self._path.open, "rb")
        if self._file is not None:
            return call_blocking(take_slice, self._file.read, number, size)
        if self._lazy is not None:
            self._gather(self._lazy, size)
        return call_blocking(take_slice, self._read_pieces, number, size)

    def _gather(self, pieces: Iterator[bytes], size: int) -> None:
        while len(self._rest) < size:
            try:
                self._rest += pieces.__next__()
            except StopIteration:
                break

    def _read_pieces(self, size: int) -> bytes:
        while len(self._rest) < size and self._plain is not None:
            try:
                self._rest += next(self._plain)
            except StopIteration:
                break
        piece = bytes(self._rest[:size])
        del self._rest[:size]
        return piece

    def close(self) -> None:
        """Close what was opened here."""
        if self._opened is not None:
            call_blocking(self._opened.close)


class Target:
    """Writes to a path or an open binary file.

    A path gets its file at the end, whole; until then the bytes are in a file beside it,
    with ".part" after its name.
    """

    def __init__(self, file: "str | os.PathLike[str] | BinaryIO") -> None:
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        if isinstance(file, str | os.PathLike):
            self._path = Path(file)
            self.part: Path | None = self._path.with_name(self._path.name + ".part")
        elif hasattr(file, "write"):
            self._file = file
            self.part = None
        else:
            raise TypeError(
                f"a document goes to a path or an open binary file, not {type(file).__name__}"
            )

    def open(self, offset: int) -> None:
        """Get ready to write, at an offset of what is there already."""
        if self.part is not None:
            self._file = call_blocking(self.part.open, "r+b" if offset else "wb")
            call_blocking(_set_end, self._file, offset)

    def write(self, contents: "list[bytes | memoryview]") -> None:
        """Write some slices."""
        if self._file is not None:
            call_blocking(_write_all, self._file, contents)

    def finish(self) -> None:
        """Make a path's file whole and durable."""
        if self._path is not None and self.part is not None and self._file is not None:
            call_blocking(_publish, self._file, self.part, self._path)

    def close(self) -> None:
        """Close what was opened here; what is not finished stays, to be resumed."""
        if self._path is not None and self._file is not None:
            call_blocking(self._file.close)


def _set_end(file: BinaryIO, offset: int) -> None:
    file.seek(offset)
    file.truncate()


def _write_all(file: BinaryIO, contents: "list[bytes | memoryview]") -> None:
    for content in contents:
        left = memoryview(content)
        while left:  # raw files may take less than they are given
            taken = file.write(left)
            left = left[len(left) if taken is None else taken :]


def _publish(file: BinaryIO, part: Path, path: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    part.replace(path)
