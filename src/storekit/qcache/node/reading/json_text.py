"""Parses JSON text to rows, each of which is an object, some at a time.

`json` holds the interpreter's lock while it parses a value. So it gets windows of the text; in a
row that exceeds a window, strings are parsed in pieces, and lists and objects are bounded.
"""

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading.limits import MAX_DEPTH, check_columns

__all__ = ["rows_of_json", "too_deep"]

_WINDOW = 2**18
"""Characters of rows that are parsed at once."""

_NESTED = 2**20
"""Maximum characters of a list or object in a row."""

_ROWS_AT_ONCE = 2000
"""Rows that are held as objects, which take several times the memory of columns."""

_TIMES_TEXT = 30
"""Maximum bytes of objects for one character: an empty list takes 72, and a reference."""

_SCANNER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]{1,100000}")
_PART_OF_STRING = re.compile(r'(?:[^"\\]++|\\(?:u[0-9a-fA-F]{4}|[^u])){1,10000}+', re.DOTALL)
_NUMBER = 5000  # characters: more than Python converts


def rows_of_json(text: str, budget: Budget) -> Iterator[list[dict[str, object]]]:
    """Return the rows of a list of objects, some at a time.

    `BadTable` if the text is not such a list, or is nested too deep.
    """
    position = _after_space(text, 0)
    if text[position : position + 1] != "[":
        raise BadTable("the JSON must be a list of objects, one for each row")
    position = _after_space(text, position + 1)
    end = text[position : position + 1]
    if end == "]":
        _check_end(text, position)
        return
    rows: list[dict[str, object]] = []
    window, begin = "", -1  # a part of the text, and where it begins
    read = position  # where the pending rows begin
    held = 0  # bytes drawn for them
    end = ","
    while end == ",":
        try:
            row, after = _SCANNER.raw_decode(window, position - begin)
            after += begin
        except RecursionError as error:
            raise too_deep() from error
        except ValueError:  # it exceeds the window, or is malformed
            if begin != position:
                window, begin = text[position : position + _WINDOW], position
                continue
            row, after, drawn = _long_row(text, position, budget)
            held += drawn
        if not isinstance(row, dict):
            raise BadTable(f"the JSON must be a list of objects, but has {_named(row)} in it")
        rows.append(row)
        position = _after_space(text, after)
        end = text[position : position + 1]
        if len(rows) == _ROWS_AT_ONCE or position - read >= _WINDOW:
            yield _drawn(rows, position - read, budget)
            budget.give_back(held)
            rows, read, held = [], position, 0
        if end == ",":
            position = _after_space(text, position + 1)
    if end != "]":
        _fail(position)
    _check_end(text, position)
    if rows:
        yield _drawn(rows, position - read, budget)


def _drawn(rows: list[dict[str, object]], size: int, budget: Budget) -> list[dict[str, object]]:
    budget.check()
    # Lists and objects of a long row are drawn already, and strings are as long as their text.
    budget.expect(_TIMES_TEXT * min(size, _WINDOW) + size, "rows of JSON")
    return rows


def _check_end(text: str, position: int) -> None:
    if _after_space(text, position + 1) != len(text):
        _fail(position)


def _fail(position: int, reason: object = "") -> NoReturn:
    said = f": {reason}" if reason else ""
    raise BadTable(f"the JSON is not well-formed at character {position}{said}")


def too_deep() -> BadTable:
    """Return the refusal of values that are nested too deep."""
    return BadTable(f"the JSON nests deeper than {MAX_DEPTH} levels")


def _after_space(text: str, position: int) -> int:
    # A search takes longer than this check, and mostly there is no space.
    if position < len(text) and text[position] > " ":
        return position
    while match := _SPACE.match(text, position):
        position = match.end()
    return position


def _named(value: object) -> str:
    return "null" if value is None else f"a value of type {type(value).__name__}"


# Rows that exceed a window


def _long_row(text: str, start: int, budget: Budget) -> tuple[object, int, int]:
    """Return the object that begins at `start`, where it ends, and the bytes drawn for it."""
    if len(text) - start <= _WINDOW or text[start] != "{":
        value, end = _short_value(text, start, _WINDOW)  # for the error message
        return value, end, 0
    row: dict[str, object] = {}
    drawn = 0
    position = _after_space(text, start + 1)
    sign = text[position : position + 1]
    if sign == "}":
        return row, position + 1, 0
    sign = ","
    while sign == ",":
        budget.check()
        name, position = _string(text, position, budget)
        position = _after_space(text, position)
        if not text.startswith(":", position):
            _fail(position, "Expecting ':' delimiter")
        begin = _after_space(text, position + 1)
        is_string = text.startswith('"', begin)
        row[name], position = (
            _string(text, begin, budget) if is_string else _value(text, begin, budget)
        )
        cost = (1 if is_string else _TIMES_TEXT) * (position - begin)
        budget.take(cost, "a row of JSON")
        drawn += cost
        check_columns(len(row))
        position = _after_space(text, position)
        sign = text[position : position + 1]
        if sign == ",":
            position = _after_space(text, position + 1)
    if sign != "}":
        _fail(position, "Expecting ',' delimiter")
    return row, position + 1, drawn


def _value(text: str, position: int, budget: Budget) -> tuple[object, int]:
    """Return a value other than a string, and where it ends."""
    if not text.startswith(("[", "{"), position):
        return _short_value(text, position, _NUMBER)
    budget.expect(_TIMES_TEXT * min(_NESTED, len(text) - position), "rows of JSON")
    return _short_value(text, position, _NESTED)


def _short_value(text: str, position: int, most: int) -> tuple[object, int]:
    """Return a value of at most so many characters, and where it ends."""
    try:
        value, end = _SCANNER.raw_decode(text[position : position + most])
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:  # also a number of thousands of digits
        reason = str(error)
        if len(text) - position > most:
            reason += f"; or a value that is neither row nor string has more than {most} characters"
        raise BadTable(
            f"the JSON is not well-formed in what begins at character {position}: {reason}"
        ) from error
    return value, position + end


def _string(text: str, start: int, budget: Budget) -> tuple[str, int]:
    """Return the string that begins at `start`, and where it ends."""
    if not text.startswith('"', start):
        _fail(start, "Expecting property name enclosed in double quotes")
    parts: list[str] = []
    position = start + 1
    while part := _PART_OF_STRING.match(text, position, position + _WINDOW):
        budget.check()
        try:
            decoded: str = _SCANNER.decode(f'"{part[0]}"')
        except ValueError as error:
            _fail(position, error)
        if parts and "\udc00" <= decoded[:1] <= "\udfff" and "\ud800" <= parts[-1][-1] <= "\udbff":
            # a surrogate pair
            high, low = ord(parts[-1][-1]) - 0xD800, ord(decoded[0]) - 0xDC00
            parts[-1] = parts[-1][:-1]
            decoded = chr(0x10000 + (high << 10) + low) + decoded[1:]
        parts.append(decoded)
        position = part.end()
    if not text.startswith('"', position):
        _fail(start, "Unterminated string, or one with an escape that there is not")
    return "".join(parts), position + 1
