"""The file that a download writes to, and how it gets its name.

A new file, or one that replaces a regular file, is written under a temporary name beside its
destination and renamed when it is complete. It takes over mode and owner of the file that it
replaces, as far as the system permits. Symbolic links are followed, and stay. A file with several
hard links is overwritten when all content is there, since renaming would replace only one
of them. Anything that is not a regular file is written to, and never replaced.

Other users may be able to guess the temporary name, and to write in the directory: the file is
never opened through a symbolic link, and only if it belongs to this user.
"""

import errno
import hashlib
import os
import secrets
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storekit.qdb.documents.manifest import Manifest
from storekit.qdb.durable import sync_directory

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Destination", "find_destination", "open_part", "open_special", "publish"]

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_FLAGS = os.O_CREAT | _NOFOLLOW | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of a download.

    `path` has its symbolic links resolved; `existing` is the status of a regular file at that path,
    if there is one. With `is_special`, the path is something that can only be written to.
    """

    path: Path
    existing: os.stat_result | None = None
    is_special: bool = False


def find_destination(path: Path) -> Destination:
    """Return the destination of a path.

    Raises `IsADirectoryError`, `PermissionError`, and any other `OSError` of its status.
    """
    try:
        existing = path.stat()
    except FileNotFoundError:
        return Destination(_followed(path))
    if stat.S_ISDIR(existing.st_mode):
        raise _error(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(existing.st_mode):
        return Destination(path, is_special=True)
    if not os.access(path, os.W_OK):
        raise _error(errno.EACCES, os.strerror(errno.EACCES), path)
    real = _followed(path)
    try:
        leads_there = os.path.samestat(real.lstat(), existing)
    except FileNotFoundError:
        leads_there = False
    # /proc/self/fd links may point to a file that has no name any more.
    return Destination(real, existing) if leads_there else Destination(path, is_special=True)


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def open_special(destination: Destination) -> BinaryIO:
    """Open something other than a regular file. Raises `OSError` for a FIFO without a reader."""
    flags = os.O_WRONLY | os.O_TRUNC | _NONBLOCK | getattr(os, "O_NOCTTY", 0)
    descriptor = os.open(destination.path, flags)
    os.set_blocking(descriptor, True)  # only opening must not block
    return os.fdopen(descriptor, "wb", buffering=0)


def open_part(destination: Destination, *, keep: bool) -> tuple[BinaryIO, Path]:
    """Open the temporary file of a download; return it and its path.

    With `keep` its name is always the same, and one download at a time can open it.
    """
    private = destination.existing is not None
    mode = 0o600 if private else 0o666
    part = _part_beside(destination.path, "" if keep else f".{secrets.token_hex(4)}")
    if keep:
        file = _open_alone(part, mode)
    else:
        file = os.fdopen(os.open(part, _FLAGS | os.O_WRONLY | os.O_EXCL, mode), "wb")
    try:
        _make_alike(file, destination)
    except BaseException:
        file.close()
        raise
    return file, part


def _part_beside(path: Path, token: str) -> Path:
    """Return the path of the temporary file, whose name is short enough for the file system."""
    end = f"{token}.part"
    try:
        longest = os.pathconf(path.parent, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        longest = 255
    name = os.fsencode(path.name)
    if len(name) + len(end) <= longest:
        return path.with_name(path.name + end)
    digest = hashlib.sha256(name).hexdigest()[:16]
    start = name[: max(0, longest - len(end) - len(digest) - 1)].decode("utf-8", "ignore")
    return path.with_name(f"{start}.{digest}{end}")


def _make_alike(file: BinaryIO, destination: Destination) -> None:
    """Give a file the owner and mode of the file that it replaces, where that is permitted."""
    existing = destination.existing
    if existing is None or not hasattr(os, "fchown"):
        return
    made = os.fstat(file.fileno())
    if (made.st_uid, made.st_gid) != (existing.st_uid, existing.st_gid):
        with suppress(OSError):
            os.fchown(file.fileno(), -1, existing.st_gid)
        with suppress(OSError):
            os.fchown(file.fileno(), existing.st_uid, -1)
        made = os.fstat(file.fileno())
    mode = stat.S_IMODE(existing.st_mode)
    if (made.st_uid, made.st_gid) != (existing.st_uid, existing.st_gid):
        mode &= 0o777  # no setuid or setgid for another owner
    os.fchmod(file.fileno(), mode)


def _open_alone(part: Path, mode: int) -> BinaryIO:
    """Open a file for reading and writing, with an exclusive lock.

    The system releases the lock when the file is closed, or the process ends.
    """
    while True:
        try:
            descriptor = os.open(part, _FLAGS | os.O_RDWR | _NONBLOCK, mode)
        except OSError as error:
            if part.is_symlink():
                text = "it is a symbolic link, which is not followed; remove it"
                raise _error(errno.ELOOP, text, part) from error
            raise
        file = os.fdopen(descriptor, "r+b")
        try:
            _check_own(file, part)
            if fcntl is None:
                return file
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(part, file):
                return file
        except BlockingIOError as error:
            file.close()
            raise BlockingIOError(
                error.errno, "another download that can be resumed is writing the file", str(part)
            ) from error
        except BaseException:
            file.close()
            raise
        file.close()  # another download has renamed it meanwhile


def _check_own(file: BinaryIO, part: Path) -> None:
    """Raise `OSError` if another user may have created the file, to have it written to."""
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        raise _error(errno.EEXIST, "it is not a regular file; remove it", part)
    if found.st_nlink > 1:
        raise _error(errno.EEXIST, "it has other hard links; remove it", part)
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise _error(errno.EPERM, "it belongs to another user; remove it", part)


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def publish(
    file: BinaryIO, part: Path, destination: Destination, manifest: Manifest | None
) -> None:
    """Give a complete file its name. Where there are no file locks, check its content again."""
    file.flush()
    os.fsync(file.fileno())
    check = manifest if fcntl is None else None
    if check is not None and check.sound_slices(file) < len(check.digests):
        raise _error(errno.EAGAIN, "another download was writing the file", part)
    if not _is_at(part, file):
        raise _error(errno.EEXIST, "the temporary file was replaced during the download", part)
    if destination.existing is not None and destination.existing.st_nlink > 1:
        _copy_into(destination, part)
        part.unlink()
    else:
        _check_regular(destination.path)
        _make_alike(file, destination)
        if fcntl is None:
            file.close()  # Windows does not rename open files
        part.replace(destination.path)
    file.close()
    sync_directory(destination.path.parent)


def _copy_into(destination: Destination, part: Path) -> None:
    """Overwrite a file that has other hard links."""
    flags = os.O_WRONLY | os.O_TRUNC | _NOFOLLOW | getattr(os, "O_BINARY", 0)
    with part.open("rb") as source, os.fdopen(os.open(destination.path, flags), "wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())


def _check_regular(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            text = "it is no longer a regular file, and is not replaced"
            raise _error(errno.EEXIST, text, path)


def _error(number: int, text: str, path: Path) -> OSError:
    return OSError(number, text, str(path))
