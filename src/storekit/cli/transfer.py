"""The commands `copy`, `dump` and `restore`: all entries to another store, to and from a file."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from storekit.cli.exits import INTERRUPTED, REFUSED, CommandError
from storekit.cli.invocation import Invocation, command
from storekit.cli.output import shown_size
from storekit.cli.progress import transfer_progress
from storekit.cli.stores import open_qdb, open_to_read
from storekit.cli.values import standard_input

if TYPE_CHECKING:
    from storekit.transfer import Compression, DumpInfo, Existing, TransferResult

__all__ = ["copy_", "dump_", "restore_"]

_existing = click.option(
    "--existing",
    type=click.Choice(["error", "overwrite", "skip"]),
    default="error",
    show_default=True,
    help="What to do if an entry exists in the target and differs.",
)
_in_flight = click.option(
    "--in-flight",
    type=click.IntRange(min=1, max=64),
    help="Concurrent calls to each store; raise it for a distant cluster.",
)
_resume = click.option("--resume", is_flag=True, help="Continue after an interruption.")


@command("copy", short_help="Copy all entries of a store into another one.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@_existing
@_resume
@_in_flight
@click.option("--no-verify", is_flag=True, help="Do not compare the stores at the end.")
def copy_(
    invocation: Invocation,
    source: str,
    target: str,
    existing: "Existing",
    in_flight: int | None,
    *,
    resume: bool,
    no_verify: bool,
) -> None:
    """Copy all entries of the store FROM into the store TO, both given as URLs.

    This includes entries of all types, with expiry and tags, and documents. At the end, the stores
    are compared. Until the copy is done, the target has an entry storekit/transfer as a mark;
    --resume continues a copy that was interrupted.
    """
    from storekit.transfer import copy  # noqa: PLC0415 - loads a client

    action = shlex.join(["copy", source, target])
    with (
        open_to_read(replace(invocation, store=source)) as here,
        open_qdb(replace(invocation, store=target)) as there,
        _explained(action, existing, resume=resume),
        transfer_progress(invocation) as report,
    ):
        result = copy(
            here,
            there,
            existing=existing,
            resume=resume,
            verify=not no_verify,
            in_flight=in_flight,
            progress=report,
        )
    _say_result(invocation, "copied", result)


@command("dump", short_help="Write all entries of a store to a file.")
@click.argument("file", metavar="FILE|-")
@click.option(
    "--compression",
    type=click.Choice(["zlib", "zstd", "none"]),
    default="zlib",
    show_default=True,
    help="zstd is faster, but restoring needs storekit[zstd].",
)
@click.option("--replace", "replacing", is_flag=True, help="Replace an existing file.")
@_resume
def dump_(
    invocation: Invocation, file: str, compression: "Compression", *, replacing: bool, resume: bool
) -> None:
    """Write all entries of a store to FILE, or to standard output.

    Until the file is complete, its name ends with .part; --resume continues such a dump. Only its
    owner may read the file.
    """
    from storekit.transfer import dump  # noqa: PLC0415 - loads a client

    output = invocation.output
    with (
        open_to_read(invocation) as client,
        _explained(shlex.join(["dump", file]), resume=resume),
    ):
        if file == "-":
            output.refuse_terminal("a dump", "redirect it to a file with >, or name one")
            with transfer_progress(invocation) as report:
                dump(client, output.stream(), compression=compression, progress=report)
            return
        try:
            with transfer_progress(invocation) as report:
                info = dump(
                    client,
                    file,
                    compression=compression,
                    replace=replacing,
                    resume=resume,
                    progress=report,
                )
        except FileExistsError as error:
            message = f"{file} exists already; --replace replaces it"
            raise CommandError(message, REFUSED) from error
    _say_info(invocation, info, f"written to {file}")


@command("restore", short_help="Store all entries of a dump.")
@click.argument("file", metavar="FILE|-")
@_existing
@_resume
@click.option("--check", is_flag=True, help="Only read and check the whole file.")
def restore_(
    invocation: Invocation, file: str, existing: "Existing", *, resume: bool, check: bool
) -> None:
    """Store all entries of a dump, from a file or standard input.

    A file is checked completely before anything is stored; for a damaged one, the error names the
    place. Entries that have expired are left out.
    """
    from storekit.transfer import check_dump, restore  # noqa: PLC0415 - loads a client

    source = standard_input() if file == "-" else file
    if check:
        with transfer_progress(invocation) as report:
            info = check_dump(source, progress=report)
        _say_info(invocation, info, "not damaged")
        return
    with (
        open_qdb(invocation) as client,
        _explained(shlex.join(["restore", file]), existing, resume=resume),
        transfer_progress(invocation) as report,
    ):
        result = restore(source, client, existing=existing, resume=resume, progress=report)
    _say_result(invocation, "restored", result)


@contextmanager
def _explained(action: str, existing: str = "error", *, resume: bool) -> Iterator[None]:
    """Turn errors into those of the command, which say how to continue."""
    from storekit.qdb import AliasAlreadyExists  # noqa: PLC0415 - loads a client
    from storekit.transfer import TransferUnfinished  # noqa: PLC0415

    chosen = "" if existing == "error" else f" --existing {existing}"
    again = f"`storekit {action}{chosen} --resume`"
    try:
        yield
    except KeyboardInterrupt as error:
        message = f"interrupted; {again} continues it"
        raise CommandError(message, INTERRUPTED) from error
    except AliasAlreadyExists as error:
        raise CommandError(
            f"{error.alias!r} is in {error.node} already, and differs; it was not changed. "
            f"`storekit {action} --resume --existing overwrite`, or skip, continues",
            REFUSED,
        ) from error
    except TransferUnfinished as error:
        if resume:
            raise
        raise CommandError(f"{error} (--resume)", REFUSED) from error


def _say_result(invocation: Invocation, done: str, result: "TransferResult") -> None:
    invocation.output.result(**asdict(result))
    parts = [f"{result.entries} entries {done}, {shown_size(result.content_bytes)}"]
    named = {
        "unchanged": result.unchanged,
        "skipped": result.skipped,
        "expired": result.expired,
        "changed meanwhile": result.changed,
    }
    parts += [f"{count} {what}" for what, count in named.items() if count]
    invocation.output.line(", ".join(parts))


def _say_info(invocation: Invocation, info: "DumpInfo", what: str) -> None:
    invocation.output.result(**{**asdict(info), "created": info.created.isoformat()})
    invocation.output.line(
        f"{info.entries} entries of {info.source}, {shown_size(info.content_bytes)}, {what}"
    )
