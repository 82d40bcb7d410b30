"""Reads and prints values of entries: text, JSON, or bytes."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from storekit.cli.exits import DAMAGED, USAGE, CommandError
from storekit.cli.output import Output, shown_size

if TYPE_CHECKING:
    from storekit.cli.invocation import Invocation
    from storekit.qdb import RawClient

__all__ = [
    "FORMS",
    "TYPES",
    "given_bytes",
    "given_typed",
    "given_value",
    "read_typed",
    "show",
    "standard_input",
]

FORMS = ("text", "json", "raw")
"""The forms of a value on the command line."""

TYPES = ("integer", "double", "string", "timestamp")
"""Types of entries other than blobs."""


def standard_input() -> BinaryIO:
    """Return standard input for bytes, without a buffer.

    At exit, the interpreter crashes if a thread still reads and so holds the lock of the buffer.
    """
    raw: BinaryIO = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    return raw


def given_bytes(value: str | None, file: str | None) -> bytes:
    """Return the content given as an argument, in a file, or by standard input for `-`.

    Raises `CommandError` unless exactly one is given, `OSError` if the file can't be read.
    """
    if (value is None) == (file is None):
        raise CommandError("give the value, or - for standard input, or --file FILE", USAGE)
    if "-" in (value, file):
        return sys.stdin.buffer.read()
    if file is not None:
        return Path(file).read_bytes()
    assert value is not None  # noqa: S101 - for type checkers
    return value.encode("utf-8", "surrogateescape")


def given_value(content: bytes, form: str, *, is_typed: bool) -> object:
    """Return the value of content that is text or JSON.

    The last line end of text is removed if it comes from a file or a pipe. Raises `CommandError`.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CommandError(
            f"the value is not UTF-8 text (at byte {error.start}); --as raw stores bytes", USAGE
        ) from error
    if form == "json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"the value is not valid JSON: {error}", USAGE) from error
    return text if is_typed else text.removesuffix("\n")


def given_typed(text: str, kind: str) -> Any:  # noqa: ANN401 - depends on the type
    """Parse the value for an entry of one of `TYPES`. Raises `CommandError`."""
    try:
        if kind == "integer":
            return int(text)
        if kind == "double":
            return float(text)
        if kind == "timestamp":
            moment = datetime.fromisoformat(text)
            return moment.astimezone() if moment.tzinfo is None else moment
    except ValueError as error:
        raise CommandError(f"{text!r} is not a valid {kind}: {error}", USAGE) from error
    return text


def read_typed(client: "RawClient", key: str) -> tuple[str, object]:
    """Return type and value of an entry that is not a blob. Raises `CommandError`."""
    kind = client.get_metadata(key).type.name.lower()
    readers = {
        "integer": client.int_get,
        "double": client.double_get,
        "string": client.string_get,
        "timestamp": client.timestamp_get,
    }
    if kind not in readers:
        raise CommandError(f"{key!r} is a {kind}, which has no value", USAGE)
    return kind, readers[kind](key)


def show(invocation: "Invocation", value: object, form: str | None) -> None:
    """Print a value. Raises `CommandError` for bytes that are not text, on a terminal."""
    output = invocation.output
    if isinstance(value, bytes | bytearray | memoryview):
        _show_bytes(output, bytes(value), form)
    elif form == "json" or not isinstance(value, str | int | float | datetime):
        output.text(output.as_json(value, indent=2))
    else:
        output.text(str(value))


def _show_bytes(output: Output, content: bytes, form: str | None) -> None:
    if form == "raw" and not output.is_terminal:
        output.raw(content)
        return
    try:
        text = content.decode()
    except UnicodeDecodeError:
        if form in {None, "raw"} and not output.is_terminal:
            output.raw(content)
            return
        if form in {None, "raw"}:
            output.refuse_terminal(
                f"content of {shown_size(len(content))} that is not text",
                "redirect it to a file with >",
            )
        raise CommandError("the value is bytes that are not text; use --as raw", DAMAGED) from None
    if form == "json":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"the value is not valid JSON: {error}", DAMAGED) from error
        output.text(output.as_json(value, indent=2))
    else:
        output.text(text)
