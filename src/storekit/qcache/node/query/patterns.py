"""The patterns of `like`: regular expressions of Python, translated for the engine of Polars.

That engine takes time in proportion to the text for any pattern, but has neither look-around nor
back-references, and a few differences of syntax. So a pattern is parsed, checked and translated.
Its size is limited, too, since the time is also in proportion to it.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import NoReturn

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.tables import BOOL

__all__ = ["Pattern", "PatternKind", "matches", "parse_pattern"]

_STEP = 20_000_000
"""Characters times weight of a pattern that are matched in one step: a fifth of a second for the
worst patterns."""

_LENGTH = 1000  # characters
_WEIGHT = 1000  # single characters to be matched, with all repetitions
_DEPTH = 50  # nesting of groups
_PLAIN = re.compile(r"[^\\.^$*+?{}\[\]|()]*")
_BOUNDS = re.compile(r"\{(\d{0,5})(,?)(\d{0,5})\}", re.ASCII)
_FLAGS = re.compile(r"\(\?([iLmsux]+)\)")
_NAME = re.compile(r"P<[A-Za-z_][A-Za-z0-9_]*>", re.ASCII)
_CLASSES = {"d": "0-9", "s": r" \t\n\r\f\v", "w": "0-9A-Za-z_"}
_PLACES = {"A": r"\A", "Z": r"\z", "b": r"(?-u:\b)", "B": r"\B"}
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class PatternKind(Enum):
    """The fastest way to match a pattern."""

    WHOLE = auto()
    START = auto()
    END = auto()
    INSIDE = auto()
    REGEX = auto()


@dataclass(frozen=True, slots=True)
class Pattern:
    """A plain text, or a regular expression for Polars.

    `weight` is the time of each character as a multiple of that with a plain text.
    """

    kind: PatternKind
    text: str
    weight: int = 1


def parse_pattern(pattern: str, *, ignore_case: bool) -> Pattern:
    """Translate a pattern of `like` or `ilike`.

    `BadQuery` if it is not a regular expression, or the engine does not support it.
    """
    open_start = pattern.startswith("%")
    if open_start:
        pattern = pattern[1:]
    open_end = pattern.endswith("%")
    if open_end:
        pattern = pattern[:-1]
    if not ignore_case and _PLAIN.fullmatch(pattern):
        return Pattern(_PLAIN_KINDS[open_start, open_end], pattern)
    if len(pattern) > _LENGTH:
        raise BadQuery(f"like: a regular expression has at most {_LENGTH} characters")
    whole = f"{'' if open_start else '^'}{pattern}{'' if open_end else '$'}"
    return Pattern(PatternKind.REGEX, *_Translator(whole, ignore_case).all())


def matches(column: pl.Series, pattern: Pattern, budget: Budget) -> pl.Series:
    """Return where a column of text matches, in steps, since one can't be interrupted."""
    if not len(column):
        return pl.Series([], dtype=BOOL)
    work = (column.estimated_size() / len(column) + 1) * pattern.weight
    masks = [
        _matches(column[rows], pattern) for rows in budget.steps(len(column), int(_STEP / work))
    ]
    return masks[0] if len(masks) == 1 else pl.concat(masks)


def _matches(column: pl.Series, pattern: Pattern) -> pl.Series:
    wanted = pattern.text
    if pattern.kind is PatternKind.WHOLE:
        return (column == wanted) | (column == wanted + "\n")
    if pattern.kind is PatternKind.START:
        return column.str.starts_with(wanted)
    if pattern.kind is PatternKind.END:
        return column.str.ends_with(wanted) | column.str.ends_with(wanted + "\n")
    if pattern.kind is PatternKind.INSIDE:
        return column.str.contains(wanted, literal=True)
    try:
        return column.str.contains(wanted)
    except pl.exceptions.ComputeError as error:
        raise BadQuery(f"like: no regular expression that can be used: {error}") from error


_PLAIN_KINDS = {
    (False, False): PatternKind.WHOLE,
    (False, True): PatternKind.START,
    (True, False): PatternKind.END,
    (True, True): PatternKind.INSIDE,
}


class _Translator:
    """Translates a regular expression of Python for the `regex` crate."""

    def __init__(self, pattern: str, ignore_case: bool) -> None:
        self._flags = {"i"} if ignore_case else set()
        for flags in _FLAGS.findall(pattern):  # wherever they are, they apply to all of it
            self._flags.update(flags)
        if "x" in self._flags:
            self._fail("the verbose flag is not supported")
        self._text = pattern
        self._at = 0
        self._depth = 0

    def all(self) -> tuple[str, int]:
        """Return the expression and its weight."""
        text, weight = self._choice()
        if self._at < len(self._text):
            self._fail("there is no group to close")
        flags = "".join(sorted(self._flags & {"i", "m", "s"}))
        return f"(?{flags}){text}" if flags else text, max(weight, 1)

    def _fail(self, reason: str) -> NoReturn:
        raise BadQuery(f"like: no regular expression that can be used: {reason}")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        if self._at >= len(self._text):
            self._fail("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _skip(self, expected: str) -> bool:
        if self._text.startswith(expected, self._at):
            self._at += len(expected)
            return True
        return False

    def _choice(self) -> tuple[str, int]:
        text, weight = self._sequence()
        while self._skip("|"):
            other, more = self._sequence()
            text, weight = f"{text}|{other}", self._weighed(weight + more)
        return text, weight

    def _sequence(self) -> tuple[str, int]:
        parts, total = [], 0
        while self._peek() not in ("", "|", ")"):
            if flags := _FLAGS.match(self._text, self._at):
                self._at = flags.end()
                continue
            part, weight, repeatable = self._atom()
            repetition, times = self._repetition()
            if repetition and not repeatable:
                self._fail("there is nothing to repeat")
            parts.append(part + repetition)
            total = self._weighed(total + weight * times)
        return "".join(parts), total

    def _weighed(self, weight: int) -> int:
        if weight > _WEIGHT:
            self._fail(f"it stands for more than {_WEIGHT} characters")
        return weight

    def _repetition(self) -> tuple[str, int]:
        bounds = self._bounds()
        if bounds is None:
            return "", 1
        text, times = bounds
        if self._skip("?"):
            text += "?"
        if self._bounds() is not None:
            self._fail("a repetition is repeated")
        return text, times

    def _bounds(self) -> tuple[str, int] | None:
        for sign in "*+?":
            if self._skip(sign):
                return sign, 1
        found = _BOUNDS.match(self._text, self._at)
        if not found or not (found[1] or found[2]):
            return None
        self._at = found.end()
        least = int(found[1] or 0)
        if not found[2]:
            return f"{{{least}}}", max(least, 1)
        most = int(found[3]) if found[3] else None
        if most is not None and most < least:
            self._fail("the bounds of a repetition are the wrong way round")
        return f"{{{least},{'' if most is None else most}}}", max(least, most or 0, 1)

    def _atom(self) -> tuple[str, int, bool]:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return self._set(), 1, True
        if char == "\\":
            return self._escape()
        if char == "^":
            return "^", 0, False
        if char == "$":
            # in Python it also matches before a final line feed
            return ("$" if "m" in self._flags else r"(?:\n?\z)"), 1, False
        if char in "*+?":
            self._fail("there is nothing to repeat")
        return (char if char == "." else _literal(char)), 1, True

    def _group(self) -> tuple[str, int, bool]:
        if self._skip("?#"):
            while self._take() != ")":
                pass
            return "", 0, False
        if self._skip("?") and not self._skip(":"):
            name = _NAME.match(self._text, self._at)
            if not name:
                self._fail("look-around, back-references and conditions are not supported")
            self._at = name.end()
        self._depth += 1
        if self._depth > _DEPTH:
            self._fail(f"groups are at most {_DEPTH} levels deep")
        text, weight = self._choice()
        self._depth -= 1
        if not self._skip(")"):
            self._fail("a group is not closed")
        return f"(?:{text})", max(weight, 1), True

    def _escape(self) -> tuple[str, int, bool]:
        char = self._take()
        if char in _PLACES:
            return _PLACES[char], 1, False
        if char.lower() in _CLASSES:
            return f"[{'^' if char.isupper() else ''}{_CLASSES[char.lower()]}]", 1, True
        return _literal(self._character(char)), 1, True

    def _character(self, char: str) -> str:
        """Return the character that an escape stands for."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x":
            code = self._take() + self._take()
            if not re.fullmatch("[0-9A-Fa-f]{2}", code):
                self._fail("two hexadecimal digits are missing")
            return chr(int(code, 16))
        if char.isdigit():
            self._fail("back-references and octal numbers are not supported")
        return char

    def _set(self) -> str:
        text = "[^" if self._skip("^") else "["
        first = True
        while first or not self._skip("]"):  # at the start, a bracket is a member
            first = False
            text += self._range()
        return text + "]"

    def _range(self) -> str:
        low = self._member()
        if len(low) > 1 or self._peek() != "-" or self._text[self._at + 1 : self._at + 2] == "]":
            return low if len(low) > 1 else _literal(low)
        self._take()
        high = self._member()
        if len(high) > 1 or high < low:
            self._fail("a range of characters is wrong")
        return f"{_literal(low)}-{_literal(high)}"

    def _member(self) -> str:
        """Return a character, or the text of a character class."""
        char = self._take()
        if char != "\\":
            return char
        char = self._take()
        if char.lower() in _CLASSES:
            return f"[{'^' if char.isupper() else ''}{_CLASSES[char.lower()]}]"
        return "\b" if char == "b" else self._character(char)


def _literal(char: str) -> str:
    # The crate has more special characters, such as && and nested brackets in sets.
    return char if char.isalnum() else f"\\x{{{ord(char):x}}}"
