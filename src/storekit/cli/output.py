"""What is printed: text from stores without control characters on a terminal, or JSON."""

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
    """Return text with control characters, and what steers the direction of writing, escaped."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode()
        for each in text
    )


def plain(value: object) -> object:
    """Return what JSON can have of a value that it has not: bytes, dates, tables and so on."""
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
        """Whether a person sees what is printed, as it is printed."""
        return sys.stdout.isatty()

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return shutil.get_terminal_size((80, 24)).columns

    def result(self, **fields: object) -> None:
        """Print a result as a line of JSON, where that was asked for."""
        if self._invocation.json:
            self.json(fields)

    def json(self, value: object) -> None:
        """Print a value as a line of JSON."""
        self.raw(self.as_json(value).encode("utf-8", "surrogateescape") + b"\n")

    def as_json(self, value: object, *, indent: int | None = None) -> str:
        """Return JSON; on a terminal, with characters escaped that are not to be seen."""
        text = json.dumps(value, ensure_ascii=False, default=plain, indent=indent)
        return visible(text, "\n") if self.is_terminal else text

    def line(self, text: str) -> None:
        """Print a line for people: nothing if programs are to read it."""
        if not self._invocation.json:
            self.text(text, kept="\t")

    def text(self, text: str, *, kept: str = _KEPT) -> None:
        """Print text from a store. What is no terminal gets it as it is."""
        if self.is_terminal:
            text = visible(text, kept)
        self.raw(text.encode("utf-8", "surrogateescape") + b"\n")

    def raw(self, content: bytes | memoryview) -> None:
        """Print bytes as they are."""
        stream = self.stream()
        stream.write(content)
        stream.flush()

    def stream(self) -> BinaryIO:
        """Return standard output for bytes."""
        sys.stdout.flush()
        return sys.stdout.buffer

    def refuse_terminal(self, what: str, way_out: str) -> None:
        """Refuse to print what a terminal can't show. Raises `CommandError`."""
        if self.is_terminal:
            raise CommandError(f"{what} is not for a terminal: {way_out}", USAGE)

    def columns(self, rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
        """Return lines of text in columns, those named in `right` aligned to the right."""
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
        """Say something beside the result, on standard error."""
        print(f"storekit: {visible(text)}", file=sys.stderr)  # noqa: T201

    def visible_lines(self, lines: Iterable[str]) -> list[str]:
        """Return lines as a terminal may show them."""
        return [visible(line) for line in lines]

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines, on a terminal each as it comes."""
        if self.is_terminal:
            for line in lines:
                self.text(line, kept="")
            return
        stream = self.stream()
        for line in lines:
            stream.write(line.encode("utf-8", "surrogateescape") + b"\n")
        stream.flush()

    def pages(self, lines: Iterable[str]) -> None:
        """Print lines, page by page on a terminal, if they are more than fit."""
        if not self.is_terminal:
            self.lines(lines)
            return
        from click import echo_via_pager  # noqa: PLC0415 - as all of click that is rarely used

        os.environ.setdefault("LESS", "FRX")  # leave at once what fits
        echo_via_pager(visible(line) + "\n" for line in lines)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - only for characters of other widths

    return cell_len(text)


def complain(
    invocation: "Invocation", message: str, code: int, error: BaseException | None = None
) -> int:
    """Say in one line on standard error what went wrong; return the exit code."""
    message = visible(message.replace("\n", " "))
    if invocation.json:
        kind = None if error is None else type(error).__name__
        message = json.dumps({"error": message, "kind": kind, "exit": code})
    else:
        message = f"storekit: error: {message}"
    with suppress(OSError):  # nobody is there to read it
        print(message, file=sys.stderr)  # noqa: T201
    return code


def shown_size(size: float) -> str:
    """Return a number of bytes as people write it."""
    if size < 1024:
        return f"{size:.0f} B"
    power = min(int(math.log(size, 1024)), 5)
    return f"{size / 1024**power:.1f} {'KMGTP'[power - 1]}iB"


def shown_duration(seconds: float) -> str:
    """Return a time in seconds as people write it."""
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
