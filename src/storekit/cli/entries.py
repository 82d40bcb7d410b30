"""The commands `get`, `put` and `rm`: the values of entries."""

import sys
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from storekit.cli.exits import NOT_FOUND, OK, REFUSED, USAGE, CommandError
from storekit.cli.invocation import Invocation, command
from storekit.cli.parameters import as_duration
from storekit.cli.stores import chosen_codec, open_qdb, open_to_read
from storekit.cli.values import (
    FORMS,
    TYPES,
    given_bytes,
    given_typed,
    given_value,
    read_typed,
    show,
)

if TYPE_CHECKING:
    from storekit.codecs.base import Codec

__all__ = ["get_", "put_", "rm_"]

_CODEC_HELP = "e.g. json, msgpack+zstd. By default that of the settings, or plain pickles."


@command("get", short_help="Print the value of an entry.")
@click.argument("key")
@click.option("--as", "form", type=click.Choice(FORMS), help="How to print it.")
@click.option("--codec", metavar="NAME", help=f"The codec it was stored with, {_CODEC_HELP}")
def get_(invocation: Invocation, key: str, form: str | None, codec: str | None) -> None:
    """Print the value of an entry of any type.

    Text is printed as such, any other value as JSON. Without --codec, content that is not a pickle
    is printed undecoded. With --as raw, the stored bytes are printed.
    """
    from storekit.codecs.base import decode_value  # noqa: PLC0415 - not needed for `--help`
    from storekit.qdb import ClassNotAllowed, IncompatibleType, UnreadableValue  # noqa: PLC0415

    settings = invocation.settings()
    reader = chosen_codec(settings, codec)
    is_named = codec is not None or settings.codec is not None
    with open_to_read(invocation) as client:
        kind = "blob"
        value: object
        try:
            value = content = client.get(key)
        except IncompatibleType:
            kind, value = read_typed(client, key)
        else:
            if form != "raw":
                try:
                    value = decode_value(reader, content, key)
                except UnreadableValue as error:
                    if is_named or isinstance(error, ClassNotAllowed):
                        raise
                    # Not a pickle: the stored content is shown.
    if invocation.json:
        invocation.output.json({"key": key, "type": kind, "value": value})
    else:
        show(invocation, value, form)


@command("put", short_help="Store an entry.")
@click.argument("key")
@click.argument("value", required=False)
@click.option("--file", metavar="FILE", help="Take the value from a file; - is standard input.")
@click.option(
    "--as",
    "form",
    type=click.Choice(FORMS),
    default="text",
    help="What VALUE is: text (the default), JSON, or bytes to be stored unchanged.",
)
@click.option("--codec", metavar="NAME", help=f"The codec to store it with, {_CODEC_HELP}")
@click.option("--type", "kind", type=click.Choice(TYPES), help="Store an entry of this type.")
@click.option(
    "--ttl",
    callback=as_duration,
    metavar="TIME",
    help="When it expires, from now: 30s, 5m, 2h, 1d.",
)
@click.option("--replace", is_flag=True, help="Replace an existing entry.")
def put_(
    invocation: Invocation,
    key: str,
    value: str | None,
    file: str | None,
    form: str,
    codec: str | None,
    kind: str | None,
    ttl: timedelta | None,
    *,
    replace: bool,
) -> None:
    """Store VALUE, or the content of standard input if VALUE is a -."""
    from storekit.qdb import AliasAlreadyExists  # noqa: PLC0415 - loads a client

    if codec is not None and (form == "raw" or kind is not None):
        raise CommandError("--codec is for text and JSON, and for blobs", USAGE)
    content = given_bytes(value, file)
    is_typed = value is not None and value != "-"
    with open_qdb(invocation) as client:
        store: Any
        given: Any
        if kind is not None:
            given = given_typed(str(given_value(content, "text", is_typed=is_typed)), kind)
            name = "int" if kind == "integer" else kind
            store = getattr(client, f"{name}_update" if replace else f"{name}_put")
        else:
            given = content
            store = client.update if replace else client.put
            if form != "raw":
                writer = chosen_codec(invocation.settings(), codec)
                given = _encoded(writer, given_value(content, form, is_typed=is_typed))
        try:
            store(key, given, ttl)
        except AliasAlreadyExists as error:
            raise CommandError(
                f"there is an entry {key!r} already; --replace replaces it", REFUSED
            ) from error
    invocation.output.result(key=key, type=kind or "blob", stored=True)


def _encoded(codec: "Codec[Any]", value: object) -> bytes:
    """Return an encoded value. For the codecs of frames, a list of rows is made a frame first."""
    from storekit.codecs.base import encode_value  # noqa: PLC0415 - not needed for `--help`

    kind = codec.name.partition("+")[0]
    if isinstance(value, list):
        if kind == "arrow":
            value = import_module("pyarrow").Table.from_pylist(value)
        elif kind in {"polars", "pandas"}:
            value = import_module(kind).DataFrame(value)
    return encode_value(codec, value)


@command("rm", short_help="Remove entries or documents.")
@click.argument("keys", nargs=-1, metavar="KEY...")
@click.option("--prefix", metavar="TEXT", help="All entries whose keys begin with this.")
@click.option("--document", is_flag=True, help="The KEYs are those of documents.")
@click.option("--force", is_flag=True, help="Ignore KEYs that do not exist.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation of --prefix.")
def rm_(
    invocation: Invocation,
    keys: tuple[str, ...],
    prefix: str | None,
    *,
    document: bool,
    force: bool,
    yes: bool,
) -> int:
    """Remove entries, or documents, by their KEYs; or entries by a prefix."""
    from storekit.qdb import AliasNotFound  # noqa: PLC0415 - loads a client

    if (prefix is None) == (not keys) or prefix == "":
        raise CommandError("give KEYs, or --prefix TEXT", USAGE)
    if prefix is not None and document:
        raise CommandError("--prefix is for entries; name the documents", USAGE)
    with open_to_read(invocation) as client:
        if prefix is not None:
            found = client.prefix_get(prefix)
            if found and not yes:
                _confirm(invocation, len(found), prefix)
            removed = client.remove_many(found)
            # An entry that has been removed meanwhile is no failure.
            failed = [each for each in removed.failed if not isinstance(each[1], AliasNotFound)]
            if failed:
                raise failed[0][1]
            invocation.output.result(prefix=prefix, removed=removed.done)
            invocation.output.line(f"{removed.done} removed")
            return OK
        missing = 0
        for key in keys:
            try:
                client.remove_document(key) if document else client.remove(key)
            except AliasNotFound:
                missing += 1
                if not force:
                    what = "document" if document else "entry"
                    invocation.output.note(f"error: there is no {what} {key!r}")
                invocation.output.result(key=key, removed=False)
            else:
                invocation.output.result(key=key, removed=True)
    return NOT_FOUND if missing and not force else OK


def _confirm(invocation: Invocation, count: int, prefix: str) -> None:
    question = f"Remove {count} entries that begin with {prefix!r}?"
    if invocation.json or not sys.stdin.isatty():
        raise CommandError(f"{question} Confirm with --yes", USAGE)
    if not click.confirm(question, err=True):
        raise click.Abort
