"""Prints text or JSON. On a terminal, text from stores has its control characters escaped."""

import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from storekit.cli.exits import USAGE, CommandError

if TYPE_CHECKING:
    from storekit.cli.invocation import Invocation

__all__ = ["Output", "complain", "plain", "shown_duration", "shown_size", "visible"]

_KEPT = "\n\t"


def visible(text: str, kept: str = "") -> str:
    """Return text with control characters escaped, also those for the direction of writing."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode()
        for each in text
    )


def plain(value: object) -> object:
    """Return a form that JSON can express for other values: bytes, dates, tables and so on."""
    if isinstance(value, bytes | bytearray | memoryview):
        from base64 import b64encode  # noqa: PLC0415 - only for such values

        return {"base64": b64encode(value).decode()}
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    for rows in ("to_pylist", "to_dicts"):  # tables of pyarrow and polars
        if hasattr(value, rows):
            return getattr(value, rows)()
    if hasattr(value, "to_dict") and hasattr(value, "columns"):  # of pandas
        return value.to_dict("records")
    return str(value)


class Output:
    """Prints for one run of the command."""

    def __init__(self, invocation: "Invocation") -> None:
        self._invocation = invocation

    @property
    def is_terminal(self) -> bool:
        """Whether standard output is a terminal."""
        return sys.stdout.isatty()

    @property
    def width(self) -> int:
        """The width of the terminal, in characters."""
        return shutil.get_terminal_size((80, 24)).columns

    def result(self, **fields: object) -> None:
        """With --json, print a result as a line of JSON; else nothing."""
        if self._invocation.json:
            self.json(fields)

    def json(self, value: object) -> None:
        """Print a value as a line of JSON."""
        self.raw(self.as_json(value).encode("utf-8", "surrogateescape") + b"\n")

    def as_json(self, value: object, *, indent: int | None = None) -> str:
        """Return JSON; for a terminal, with control characters escaped."""
        text = json.dumps(value, ensure_ascii=False, default=plain, indent=indent)
        return visible(text, "\n") if self.is_terminal else text

    def line(self, text: str) -> None:
        """Print a line, but nothing with --json."""
        if not self._invocation.json:
            self.text(text, kept="\t")

    def text(self, text: str, *, kept: str = _KEPT) -> None:
        """Print text from a store: escaped on a terminal, else unchanged."""
        if self.is_terminal:
            text = visible(text, kept)
        self.raw(text.encode("utf-8", "surrogateescape") + b"\n")

    def raw(self, content: bytes | memoryview) -> None:
        """Print bytes unchanged."""
        stream = self.stream()
        stream.write(content)
        stream.flush()

    def stream(self) -> BinaryIO:
        """Return standard output for bytes."""
        sys.stdout.flush()
        return sys.stdout.buffer

    def refuse_terminal(self, what: str, way_out: str) -> None:
        """Raise `CommandError` if the output, which a terminal can't show, is a terminal."""
        if self.is_terminal:
            raise CommandError(f"{what} can't be printed on a terminal: {way_out}", USAGE)

    def columns(self, rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
        """Return lines of text in columns; those whose numbers are in `right` are right-aligned."""
        cells = [[visible(cell) for cell in row] for row in rows]
        widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = [
                " " * (width - _width(cell)) + cell
                if number in right
                else cell + " " * (width - _width(cell))
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            yield "  ".join(padded).rstrip()

    def note(self, text: str) -> None:
        """Print a message to standard error."""
        print(f"storekit: {visible(text)}", file=sys.stderr)  # noqa: T201

    def visible_lines(self, lines: Iterable[str]) -> list[str]:
        """Return lines with control characters escaped."""
        return [visible(line) for line in lines]

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines; on a terminal, each as soon as it is there."""
        if self.is_terminal:
            for line in lines:
                self.text(line, kept="")
            return
        stream = self.stream()
        for line in lines:
            stream.write(line.encode("utf-8", "surrogateescape") + b"\n")
        stream.flush()

    def pages(self, lines: Iterable[str]) -> None:
        """Print lines; on a terminal, in a pager if they do not fit."""
        if not self.is_terminal:
            self.lines(lines)
            return
        from click import echo_via_pager  # noqa: PLC0415 - only on a terminal

        os.environ.setdefault("LESS", "FRX")  # F: end at once if all fits on one screen
        echo_via_pager(visible(line) + "\n" for line in lines)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - only for text that is not ASCII

    return cell_len(text)


def complain(
    invocation: "Invocation", message: str, code: int, error: BaseException | None = None
) -> int:
    """Print an error as one line on standard error; return the exit code."""
    message = visible(message.replace("\n", " "))
    if invocation.json:
        kind = None if error is None else type(error).__name__
        message = json.dumps({"error": message, "kind": kind, "exit": code})
    else:
        message = f"storekit: error: {message}"
    with suppress(OSError):  # standard error may be closed
        print(message, file=sys.stderr)  # noqa: T201
    return code


def shown_size(size: float) -> str:
    """Return a number of bytes with a unit."""
    if size < 1024:
        return f"{size:.0f} B"
    power = min(int(math.log(size, 1024)), 5)
    return f"{size / 1024**power:.1f} {'KMGTP'[power - 1]}iB"


def shown_duration(seconds: float) -> str:
    """Return a time in seconds with a suitable unit."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1000:.2f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    for unit, size, most in (("min", 60, 120), ("h", 3600, 48), ("d", 86400, math.inf)):
        if seconds < size * most:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
