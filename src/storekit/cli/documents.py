"""The commands `upload`, `download` and `docs`: files and directories of any size."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from storekit.cli.exits import INTERRUPTED, REFUSED, USAGE, CommandError
from storekit.cli.invocation import Invocation, command
from storekit.cli.output import shown_size
from storekit.cli.parameters import as_duration, as_size
from storekit.cli.progress import progress_bar
from storekit.cli.stores import open_qdb, open_to_read
from storekit.cli.trees import Tree, restore
from storekit.cli.values import standard_input

if TYPE_CHECKING:
    from storekit.qdb import DocumentInfo, RawClient

__all__ = ["docs_", "download_", "upload_"]

_ARCHIVE = ".storekit.tar"
"""The suffix of an archive that is downloaded in order to restore a directory."""


@command("upload", short_help="Store a file or a directory as a document.")
@click.argument("source", metavar="FILE|DIRECTORY|-")
@click.argument("key", required=False)
@click.option("--resume", is_flag=True, help="Continue an upload that was interrupted.")
@click.option("--replace", is_flag=True, help="Replace an existing document.")
@click.option(
    "--ttl", callback=as_duration, metavar="TIME", help="When it expires: 30s, 5m, 2h, 1d."
)
@click.option(
    "--slice-size", callback=as_size, metavar="SIZE", help="Size of the entries it is stored in."
)
def upload_(
    invocation: Invocation,
    source: str,
    key: str | None,
    ttl: timedelta | None,
    slice_size: int | None,
    *,
    resume: bool,
    replace: bool,
) -> None:
    """Store a file, a directory, or standard input as a document with the name KEY.

    By default, KEY is the name of the file. A directory is stored as a tar archive, with a KEY that
    ends with a slash. An interrupted upload is not a document until it was resumed.
    """
    action = shlex.join(["upload", source, *([] if key is None else [key])])
    path = Path(source)
    is_tree = source != "-" and path.is_dir()
    key = _key_for(path, key, is_stdin=source == "-", is_tree=is_tree)
    tree = Tree.of(path.resolve()) if is_tree else None
    for name in [] if tree is None else tree.left_out:
        invocation.output.note(f"{name} is left out: it is not a file, directory or link")
    total = None if tree is None else tree.size
    options = {} if slice_size is None else {"slice_size": slice_size}
    with open_qdb(invocation) as client:
        if not replace:
            _refuse_existing_document(client, key)
        with _resumable(action), progress_bar(invocation, key, total) as report:
            client.upload(
                standard_input() if source == "-" else path if tree is None else tree.pieces(),
                key,
                resume=resume,
                expiry_time=ttl,
                progress=report,
                **options,
            )
        info = client.document_info(key)
    _say(invocation, "stored", info)


def _key_for(path: Path, key: str | None, *, is_stdin: bool, is_tree: bool) -> str:
    if key is None:
        if is_stdin:
            raise CommandError("standard input needs a KEY", USAGE)
        key = path.resolve().name if path.name in {"", ".."} else path.name
        if not key:
            raise CommandError(f"{path} has no name; give a KEY", USAGE)
    if is_tree:
        return key if key.endswith("/") else f"{key}/"
    if key.endswith("/"):
        raise CommandError(
            f"a key that ends with a slash is for a directory, and {path} is not one", USAGE
        )
    return key


def _refuse_existing_document(client: "RawClient", key: str) -> None:
    from storekit.qdb import AliasNotFound, DocumentIncomplete  # noqa: PLC0415 - loads a client

    try:
        found = client.document_info(key)
    except (AliasNotFound, DocumentIncomplete):
        return
    raise CommandError(
        f"there is a document {key!r} already, of {shown_size(found.size)}; --replace replaces it",
        REFUSED,
    )


@contextmanager
def _resumable(action: str) -> Iterator[None]:
    """Turn an interruption into an error that says how to continue."""
    from storekit.qdb import DocumentConflict  # noqa: PLC0415 - loads a client

    try:
        yield
    except KeyboardInterrupt as error:
        message = f"interrupted; `storekit {action} --resume` continues it"
        raise CommandError(message, INTERRUPTED) from error
    except DocumentConflict as error:
        raise CommandError(
            f"another upload of it is under way, or was interrupted; `storekit {action} --resume` "
            "takes over",
            REFUSED,
        ) from error


@command("download", short_help="Write a document to a file or a directory.")
@click.argument("key")
@click.argument("target", required=False, metavar="[FILE|DIRECTORY|-]")
@click.option("--resume", is_flag=True, help="Continue a download that was interrupted.")
@click.option("--replace", is_flag=True, help="Replace an existing file.")
def download_(
    invocation: Invocation, key: str, target: str | None, *, resume: bool, replace: bool
) -> None:
    """Write a document to a file, or to standard output, or restore a directory.

    By default, the file has the name of the document. If the target is an existing directory, the
    file is written into it. Until a file is complete, its name ends with .part; --resume continues
    such a download.
    """
    output = invocation.output
    with open_to_read(invocation) as client:
        if target == "-":
            output.refuse_terminal("a document", "redirect it to a file with >, or name one")
            with progress_bar(invocation, key) as report:
                client.download(key, output.stream(), progress=report)
            output.stream().flush()
            return
        path = _target_for(key, target)
        is_tree = key.endswith("/")
        file = path.with_name(f"{path.name}{_ARCHIVE}") if is_tree else path
        if is_tree:
            _refuse_existing_directory(path)
        elif not replace:
            _refuse_existing_file(path)
        if not resume:
            _refuse_partial_files(file, is_tree=is_tree)
        with _resumable(shlex.join(["download", key, *([] if target is None else [target])])):
            with progress_bar(invocation, key) as report:
                info = client.download(key, file, resume=True, progress=report)
            if is_tree:
                with progress_bar(invocation, f"{path}/", info.size) as report:
                    restore(file, path, lambda done: report(done, None))
                file.unlink()
    _say(invocation, "written", info, path)


def _target_for(key: str, target: str | None) -> Path:
    name = PurePosixPath(key).name
    if target is None or (Path(target).is_dir() and not key.endswith("/")):
        if name in {"", ".", ".."} or "\0" in name:
            raise CommandError(f"{key!r} is not a valid name of a file; give one", USAGE)
        return Path(target or ".") / name
    return Path(target)


def _refuse_existing_directory(path: Path) -> None:
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise CommandError(f"{path} exists already; name a new directory", REFUSED)


def _refuse_existing_file(path: Path) -> None:
    is_special = path.exists() and not path.is_file()  # a pipe or a device
    if os.path.lexists(path) and not is_special:
        raise CommandError(f"{path} exists already; --replace replaces it", REFUSED)


def _refuse_partial_files(file: Path, *, is_tree: bool) -> None:
    partial = [file.with_name(f"{file.name}.part"), *([file] if is_tree else [])]
    for each in partial:
        if os.path.lexists(each):
            raise CommandError(
                f"{each} exists, from a download that was interrupted; --resume continues it, or "
                "remove it",
                REFUSED,
            )


def _say(invocation: Invocation, done: str, info: "DocumentInfo", path: Path | None = None) -> None:
    fields = _fields(info)
    if path is not None:
        fields["path"] = str(path)
    invocation.output.result(**fields)
    where = "" if path is None else f" to {path}"
    invocation.output.line(f"{info.name}: {shown_size(info.size)} {done}{where}")


def _fields(info: "DocumentInfo") -> dict[str, object]:
    return {
        "name": info.name,
        "size": info.size,
        "slices": info.slices,
        "checksum": info.checksum,
        "uploaded": None if info.uploaded is None else info.uploaded.isoformat(),
    }


@command("docs", short_help="List documents.")
@click.argument("prefix", default="")
@click.option("--no-pager", is_flag=True, help="Use no pager on a terminal.")
def docs_(invocation: Invocation, prefix: str, *, no_pager: bool) -> None:
    """List the complete documents whose names begin with PREFIX, by default all.

    `storekit rm --document NAME` removes one.
    """
    output = invocation.output
    with open_to_read(invocation) as client:
        found = client.documents(prefix)
        if invocation.json:
            for info in found:
                output.json(_fields(info))
            return
        show = output.lines if no_pager else output.pages
        show(map(_line, found))


def _line(info: "DocumentInfo") -> str:
    uploaded = "" if info.uploaded is None else f"{info.uploaded:%Y-%m-%d %H:%M:%S}"
    return f"{shown_size(info.size):>10}  {uploaded:19}  {info.name}"
