"""Values of entries as they are given and shown: text, JSON, or bytes."""

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
"""What a value is on the command line."""

TYPES = ("integer", "double", "string", "timestamp")
"""Types of entries beside blobs."""


def standard_input() -> BinaryIO:
    """Return standard input for bytes, without a buffer.

    The lock of the buffer would be held by a thread that reads, and end the process in a crash.
    """
    raw: BinaryIO = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    return raw


def given_bytes(value: str | None, file: str | None) -> bytes:
    """Return what was given as an argument, in a file, or by standard input for `-`.

    Raises `CommandError` unless it is one of these, `OSError` if the file can't be read.
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
    """Return the value that content stands for, as text or JSON.

    Of text that was not typed, but comes from a file or a pipe, the last line end is not a part.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CommandError(
            f"the value is no UTF-8 text (at byte {error.start}); --as raw stores bytes", USAGE
        ) from error
    if form == "json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"the value is no JSON: {error}", USAGE) from error
    return text if is_typed else text.removesuffix("\n")


def given_typed(text: str, kind: str) -> Any:  # noqa: ANN401 - what the type is
    """Return the value of an entry that is no blob. Raises `CommandError`."""
    try:
        if kind == "integer":
            return int(text)
        if kind == "double":
            return float(text)
        if kind == "timestamp":
            moment = datetime.fromisoformat(text)
            return moment.astimezone() if moment.tzinfo is None else moment
    except ValueError as error:
        raise CommandError(f"{text!r} is no {kind}: {error}", USAGE) from error
    return text


def read_typed(client: "RawClient", key: str) -> tuple[str, object]:
    """Return type and value of an entry that is no blob."""
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
    """Print a value. Bytes that are no text are not for a terminal. Raises `CommandError`."""
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
                f"content of {shown_size(len(content))} that is no text",
                "write it to a file with >",
            )
        raise CommandError("the value is bytes that are no text; use --as raw", DAMAGED) from None
    if form == "json":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"the value is no JSON: {error}", DAMAGED) from error
        output.text(output.as_json(value, indent=2))
    else:
        output.text(text)
