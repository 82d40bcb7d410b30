"""A directory as one document: a tar archive (pax) that is made while it is uploaded.

The archive has regular files with their content, directories, also empty ones, symbolic links, and
hard links within the directory; for each the permissions (`rwx` of owner, group and others) and the
modification time, to the nanosecond. It does not have owners, extended attributes, and the bits
setuid, setgid and sticky. Sockets, pipes and devices are left out, with a note. The same tree gives
the same bytes, so that an upload of it can be resumed.

An archive may come from anyone who can write to the store, so restoring it must not write outside
of the new directory: names must lead down, symbolic links are made last, after all files are
written, and a name that exists already is refused. The directory gets its name once it is complete.
"""

import os
import secrets
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from storekit.cli.exits import DAMAGED, LOCAL, CommandError

__all__ = ["Tree", "restore"]

T = TypeVar("T")

_PIECE = 1 << 20
_MODE = 0o777
_KINDS = frozenset(
    {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE}
)


@dataclass(slots=True)
class Tree:
    """A directory to be archived. `left_out` are names of other things than files and links."""

    path: Path
    members: list[tuple[tarfile.TarInfo, Path]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    size: int = 0

    @classmethod
    def of(cls, path: Path) -> "Tree":
        """List a directory. Raises `OSError`."""
        tree = cls(path)
        tree._add(path, ".", {})
        tree.size = 2 * tarfile.BLOCKSIZE + sum(
            len(_head(info)) + _padded(info.size) for info, _ in tree.members
        )
        return tree

    def _add(self, path: Path, name: str, seen: dict[tuple[int, int], str]) -> None:
        found = path.lstat()
        info = tarfile.TarInfo(name)
        info.mode = stat.S_IMODE(found.st_mode) & _MODE
        seconds, nanoseconds = divmod(found.st_mtime_ns, 10**9)
        info.mtime = seconds
        info.pax_headers = {"mtime": f"{seconds}.{nanoseconds:09}"}
        if stat.S_ISDIR(found.st_mode):
            info.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(found.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
        elif not stat.S_ISREG(found.st_mode):
            self.left_out.append(name)
            return
        elif found.st_nlink > 1 and (found.st_dev, found.st_ino) in seen:
            info.type, info.linkname = tarfile.LNKTYPE, seen[found.st_dev, found.st_ino]
        else:
            seen[found.st_dev, found.st_ino] = name
            info.size = found.st_size
        self.members.append((info, path))
        if info.isdir():
            for child in sorted(os.listdir(path)):
                self._add(path / child, child if name == "." else f"{name}/{child}", seen)

    def pieces(self) -> Iterator[bytes]:
        """Yield the archive in pieces. Raises `OSError`, `CommandError` if a file has changed."""
        for info, path in self.members:
            yield _head(info)
            if info.isreg() and info.size:
                yield from _content(path, info.size)
                yield bytes(_padded(info.size) - info.size)
        yield bytes(2 * tarfile.BLOCKSIZE)


def _head(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _content(path: Path, size: int) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        left = size
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise CommandError(f"{path} became shorter while it was read", LOCAL)
            left -= len(piece)
            yield piece
        if file.read(1):
            raise CommandError(f"{path} became longer while it was read", LOCAL)


def restore(archive: Path, destination: Path, report: Callable[[int], None]) -> None:
    """Make a directory from an archive. `report` is called with the number of bytes done.

    Raises `CommandError` if it is not such an archive or has unsafe names, and `OSError`.
    """
    part = destination.with_name(f"{destination.name}.{secrets.token_hex(4)}.part")
    part.mkdir(mode=0o700)
    try:
        _restore_into(archive, part, report)
        report(archive.stat().st_size)
        os.sync()  # otherwise, after a power failure the name might exist without the content
        part.rename(destination)
    except tarfile.TarError as error:
        raise CommandError(f"the document is not a directory: {error}", DAMAGED) from error
    finally:
        if part.exists():
            _remove(part)


def _remove(part: Path) -> None:
    with suppress(OSError):  # must not hide the original error
        for directory, _, _ in os.walk(part):
            Path(directory).chmod(0o700)
        shutil.rmtree(part)


def _restore_into(archive: Path, root: Path, report: Callable[[int], None]) -> None:
    directories: list[tuple[Path, tarfile.TarInfo]] = []
    links: list[tuple[Path, tarfile.TarInfo]] = []
    with tarfile.open(archive, "r:", errorlevel=2) as opened:
        while (info := opened.next()) is not None:
            path = _inside(root, info.name)
            if info.type not in _KINDS or info.sparse is not None:
                raise CommandError(
                    f"the document has {info.name!r}, which is not a file or link", DAMAGED
                )
            if info.isdir():
                if path != root:
                    _new(path, Path.mkdir, 0o700)
                directories.append((path, info))
            elif info.issym():
                links.append((path, info))
            elif info.islnk():
                source = _inside(root, info.linkname)
                _new(path, os.link, source, follow_symlinks=False, is_target=True)
            else:
                _write(opened, info, path)
            report(opened.offset)
            opened.members.clear()  # type: ignore[attr-defined]  # tarfile keeps all of them
    for path, info in links:
        _new(path, os.symlink, info.linkname, is_target=True)
        os.utime(path, ns=_times(info), follow_symlinks=False)
    for path, info in reversed(directories):
        os.utime(path, ns=_times(info))
        path.chmod(info.mode & _MODE)


def _inside(root: Path, name: str) -> Path:
    """Return the path for a name in an archive. `CommandError` if it is outside of `root`."""
    parts = PurePosixPath(name).parts
    path = root.joinpath(*parts)
    if name.startswith("/") or ".." in parts or "\0" in name or not path.is_relative_to(root):
        raise CommandError(
            f"the document has the name {name!r}, which is outside of the directory", DAMAGED
        )
    return path


def _write(opened: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> None:
    source = opened.extractfile(info)
    if source is None:
        raise CommandError(f"the document has no content for {info.name!r}", DAMAGED)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with source, os.fdopen(_new(path, os.open, flags, 0o600), "wb") as file:
        shutil.copyfileobj(source, file, _PIECE)
    path.chmod(info.mode & _MODE)
    os.utime(path, ns=_times(info))


def _new(
    path: Path, make: Callable[..., T], *arguments: object, is_target: bool = False, **more: object
) -> T:
    """Make a file, directory or link. Raises `CommandError` if it exists already."""
    try:
        if is_target:
            return make(*arguments, path, **more)
        return make(path, *arguments, **more)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise CommandError(
            f"the document has {path.name!r} twice, or without its directory", DAMAGED
        ) from error


def _times(info: tarfile.TarInfo) -> tuple[int, int]:
    """Return times of last access and modification in nanoseconds: both the modification time."""
    seconds, _, fraction = info.pax_headers.get("mtime", f"{info.mtime:.0f}").partition(".")
    try:
        nanoseconds = int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0") or 0)
    except ValueError as error:
        raise CommandError(
            f"the document has an invalid modification time for {info.name!r}", DAMAGED
        ) from error
    return nanoseconds, nanoseconds
