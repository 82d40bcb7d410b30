# Generated from src/storekit/qdb/documents/_async/files.py by tools/generate_sync.py; do not edit.

"""Sources and targets of documents: paths, open files, iterables."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from storekit.core.seam._sync import call_blocking, call_user_function
from storekit.qdb.buffers import Buffers
from storekit.qdb.documents.manifest import Manifest
from storekit.qdb.documents.paths import (
    Destination,
    find_destination,
    open_part,
    open_special,
    publish,
)
from storekit.qdb.documents.slices import (
    FirstRead,
    Slice,
    Unwritten,
    as_piece,
    fill_slice,
    take_slice,
    waits,
    write_all,
)
from storekit.qdb.durable import begin_sync

__all__ = ["File", "Pieces", "Source", "Target"]

Pieces = Iterable[bytes] | Iterable[bytes]
"""Content of a document in pieces of any size."""

_PIECE = 1 << 20


@runtime_checkable
class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class File(Protocol):
    """A binary file, open for reading or writing, that another library has opened."""

    @property
    def read(self) -> Callable[..., bytes]: ...

    @property
    def write(self) -> Callable[..., int]: ...


class Source:
    """Reads slices from a path, an open binary file, or pieces.

    Their content is in memory of `buffers`, which the caller gives back.
    """

    def __init__(
        self, file: "str | os.PathLike[str] | BinaryIO | File | Pieces", size: int
    ) -> None:
        self.buffers: Buffers = Buffers(size)
        self._slice_size = size
        self._path: Path | None = None
        self._opened: FileIO | None = None
        self._closed = False
        self._file: _Readable | None = None
        self._first_read: FirstRead | None = None
        self._read: Callable[[], bytes] | None = None
        self._lazy: Iterator[bytes] | None = None
        self._plain: Iterator[bytes] | None = None
        self._rest = bytearray()
        if isinstance(file, str | os.PathLike):
            self._path = Path(file)
        elif isinstance(file, bytes | bytearray | memoryview):
            raise TypeError("a document comes from a file; for bytes, give io.BytesIO(content)")
        elif isinstance(file, _Readable):
            self._file, self._first_read = file, FirstRead(file.read)
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
        """Return how many bytes there are to read; None if that is not known."""
        if self._path is not None:
            found = call_blocking(self._path.stat)
            return found.st_size if stat.S_ISREG(found.st_mode) else None
        return None if self._file is None else _size_left(self._file)

    def window(self, number: int, count: int) -> list[Slice]:
        """Return the next slices, up to `count`; fewer at the end."""
        window: list[Slice] = []
        while len(window) < count:
            taken = self._take(number + len(window))
            if taken is None:
                break
            window.append(taken)
        return window

    def _take(self, number: int) -> Slice | None:
        if self._path is not None:
            opened = self._opened
            if opened is None:
                opened = call_blocking(self._open, self._path)
            return call_blocking(fill_slice, opened, number, self.buffers)
        first = self._first_read
        if self._file is not None and first is not None and self._read is None:
            read = {"read": first, "number": number, "buffers": self.buffers}
            taken: object = call_user_function(take_slice, read)
            if not first.is_pending:
                return taken if isinstance(taken, Slice) else None
            self._rest += as_piece(taken)
            self._read = partial(self._file.read, _PIECE)
        while len(self._rest) < self._slice_size and (piece := self._next_piece()):
            self._rest += piece
        taken = call_blocking(take_slice, self._read_pieces, number, self.buffers)
        return taken if isinstance(taken, Slice) else None

    def _open(self, path: Path) -> FileIO:
        self._opened = path.open("rb", buffering=0)
        if self._closed:  # cancelled while this thread was running
            self._opened.close()
        return self._opened

    def _next_piece(self) -> bytes | bytearray:
        """Return the next piece of a sync source; empty at the end."""
        if self._read is not None:
            return as_piece(call_user_function(self._read, {}))
        while self._lazy is not None:
            try:
                if piece := as_piece(self._lazy.__next__()):
                    return piece
            except StopIteration:
                self._lazy = None
        return b""

    def _read_pieces(self, size: int) -> bytes:
        while len(self._rest) < size and self._plain is not None:
            try:
                self._rest += as_piece(next(self._plain))
            except StopIteration:
                break
        piece = bytes(self._rest[:size])
        del self._rest[:size]
        return piece

    def close(self) -> None:
        """Close the file if it was opened here, and free the buffers."""
        self._closed = True
        self.buffers.clear()
        if self._opened is not None:
            call_blocking(self._opened.close)


def _size_left(file: Any) -> int | None:  # noqa: ANN401 - any readable object
    """Return how many bytes an open file has left; None if that is not known."""
    try:
        if not call_user_function(file.seekable, {}):
            return None
        start = call_user_function(file.tell, {})
        end = call_user_function(partial(file.seek, 0, os.SEEK_END), {})
        call_user_function(partial(file.seek, start), {})
    except Exception:  # noqa: BLE001 - it need not have any of these
        return None
    if type(start) is not int or type(end) is not int:
        return None
    return max(0, end - start)


class Target:
    """Writes to a path or an open binary file.

    The file of a path appears at the end, complete; until then the content is in a temporary
    file beside it, whose name ends in ".part". With `keep` that name is always the same, only
    one target at a time can open the file, and it stays if the download fails. Anything that is
    not a regular file is written to directly.
    """

    def __init__(self, file: "str | os.PathLike[str] | BinaryIO | File", *, keep: bool) -> None:
        self._path: Path | None = None
        self._destination: Destination | None = None
        self._file: BinaryIO | None = None
        self._write: Callable[[memoryview], object] | None = None
        self._waits = True
        self._keep = keep
        self._part: Path | None = None
        self._closed = False
        if isinstance(file, str | os.PathLike):
            self._path = Path(file)
        elif hasattr(file, "write"):
            self._write = file.write
            self._waits = waits(file)
        else:
            raise TypeError(
                f"a document goes to a path or an open binary file, not {type(file).__name__}"
            )

    @property
    def is_path(self) -> bool:
        """Whether the file was opened here, and so keeps no reference to what it has written."""
        return self._path is not None

    def check(self) -> None:
        """Resolve a path. Raises `OSError` if it can't be written to."""
        if self._path is not None:
            self._destination = call_blocking(find_destination, self._path)

    def open(self, manifest: Manifest | None) -> int:
        """Open the file; return how many slices it already has."""
        if self._path is None:
            return 0
        if self._destination is None:
            self.check()
        return call_blocking(self._open, manifest)

    def _open(self, manifest: Manifest | None) -> int:
        destination = self._destination
        if destination is None:
            return 0
        if destination.is_special:
            file = open_special(destination)
        else:
            file, self._part = open_part(destination, keep=self._keep)
        self._file = file
        if self._closed:  # cancelled while this thread was running
            self._close()
            return 0
        if self._part is None:
            return 0
        sound = manifest.sound_slices(file) if self._keep and manifest is not None else 0
        file.seek(min(sound * manifest.slice_size, manifest.size) if manifest is not None else 0)
        file.truncate()
        return sound

    def write(self, contents: "list[bytes | memoryview]") -> None:
        """Write some slices. Raises `OSError`."""
        left = Unwritten(contents, waits=self._waits)
        if self._file is not None:
            call_blocking(self._write_own, self._file, left)
            return
        while left:
            call = {"write": self._write, "left": left}
            # A sync file has written one piece.
            taken: object = call_user_function(write_all, call)
            if left:
                left.took(taken)

    def _write_own(self, file: BinaryIO, left: Unwritten) -> None:
        if self._part is None:
            write_all(file.write, left)
            return
        start = file.tell()
        write_all(file.write, left)
        begin_sync(file.fileno(), start, file.tell() - start)

    def finish(self, manifest: Manifest | None) -> None:
        """Sync the file of a path to the disk, and give it its name."""
        if self._part is not None and self._file is not None and self._destination is not None:
            kept = manifest if self._keep else None
            call_blocking(publish, self._file, self._part, self._destination, kept)
            self._part = None

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._closed = True
        if self._file is not None:
            call_blocking(self._close)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._part is not None and not self._keep:
            self._part.unlink(missing_ok=True)
