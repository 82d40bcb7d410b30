"""The directory of a snapshot: atomic files, locked by one node."""

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from typing import IO

__all__ = ["SnapshotDirectory"]

_NAME = "tables"
_MANIFEST, _NEW_MANIFEST = "manifest", "manifest.new"
_LOCK = "lock"
_RUNNING = "running"
_OF_TABLES = re.compile(r"[0-9a-f]{32}\.table", re.ASCII)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_WRITTEN_BY_OTHERS = 0o022


class SnapshotDirectory:
    """Files in `DIR/tables`, which is created if missing, for this user only.

    Names are resolved in the opened directory, and links are not followed.
    """

    def __init__(self, place: str) -> None:
        """Lock a directory for this process. `ValueError` if that fails, or it is not safe."""
        self.path: str = os.path.join(place, _NAME)
        try:
            Path(place).mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                Path(self.path).mkdir(mode=0o700)
            self._place = os.open(
                self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            )
        except OSError as error:
            raise ValueError(f"--snapshot {place} can't be had: {error}") from error
        try:
            self._check_owner()
            self._lock = self._open(_LOCK, os.O_RDWR | os.O_CREAT)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"--snapshot {place} is in use by another node") from error
        except OSError as error:
            raise ValueError(f"--snapshot {place} can't be had: {error}") from error

    def _check_owner(self) -> None:
        found = os.fstat(self._place)
        if found.st_uid != os.geteuid() or found.st_mode & _WRITTEN_BY_OTHERS:
            raise ValueError(
                f"--snapshot: others can write to {self.path}, and so tables that this node would "
                "take for its own; give it to the user of the node, with chmod go-w"
            )

    def begin(self) -> bool:
        """Record that a node runs; return whether removals since the snapshot are surely on disk.

        They may not be if a node was running when the machine crashed. Raises `ValueError`.
        """
        boot = _boot()
        try:
            former = self._text(_RUNNING)
            self._replace(_RUNNING, f"{_RUNNING}.new", boot.encode())
        except OSError as error:
            raise ValueError(f"--snapshot: {self.path} can't be written to: {error}") from error
        return former is None or former == boot

    def manifest(self, most: int) -> bytes | None:
        """Return the manifest, None if there is none. `OSError`; `ValueError` if it is too long."""
        try:
            file = self.open(_MANIFEST)
        except FileNotFoundError:
            return None
        with file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"it has more than {most} bytes")
        return content

    def commit(self, manifest: bytes) -> None:
        """Replace the manifest atomically, after all files that it lists are on disk."""
        os.fsync(self._place)
        self._replace(_MANIFEST, _NEW_MANIFEST, manifest)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_RUNNING, dir_fd=self._place)
        os.fsync(self._place)

    def forget(self) -> None:
        """Remove the manifest."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_MANIFEST, dir_fd=self._place)
        os.fsync(self._place)

    def open(self, name: str) -> BufferedReader:
        """Open a file for reading. `OSError` if it is missing, or not a regular file."""
        descriptor = self._open(name, os.O_RDONLY | os.O_NONBLOCK)
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise OSError(f"{name} is no file")
        return file

    @contextlib.contextmanager
    def new_table(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Create a file for a table, with a new name. It is removed if the block fails."""
        name = f"{token_hex(16)}.table"
        descriptor = self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield name, file
                file.flush()
                os.fsync(descriptor)
        except BaseException:
            self.remove(name)
            raise

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._place)

    def tables(self) -> set[str]:
        """Return the names of the files of tables."""
        return {name for name in os.listdir(self._place) if _OF_TABLES.fullmatch(name)}

    def clean(self, kept: set[str]) -> None:
        """Remove the files of tables that are not in `kept`."""
        for name in self.tables() - kept:
            self.remove(name)

    def close(self) -> None:
        """Release the lock of the directory."""
        os.close(self._lock)
        os.close(self._place)

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._place)

    def _text(self, name: str) -> str | None:
        try:
            with self.open(name) as file:
                return file.read(1024).decode("ascii", "replace")
        except FileNotFoundError:
            return None

    def _replace(self, name: str, new: str, content: bytes) -> None:
        descriptor = self._open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(new, name, src_dir_fd=self._place, dst_dir_fd=self._place)
        os.fsync(self._place)


def _boot() -> str:
    """Return the ID of the current boot; always the same if unknown."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return "unknown"
