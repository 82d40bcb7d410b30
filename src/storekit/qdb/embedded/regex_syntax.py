"""Parsing regular expressions into trees."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NoReturn

from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["ALL_BYTES", "WORD_BYTES", "RegexNode", "RegexNodeKind", "parse_regex"]

_LENGTH = 1000  # characters of an expression
_DEPTH = 50  # levels of nested groups
_REPEATS = 1000
_HEX = "0123456789abcdefABCDEF"


class RegexNodeKind(Enum):
    """The kinds of nodes of the tree."""

    BYTE = auto()  # one of the bytes in `mask`
    PLACE = auto()  # an assertion, in `place`: ^ $ b B
    SEQUENCE = auto()
    CHOICE = auto()
    REPEAT = auto()


@dataclass(frozen=True, slots=True)
class RegexNode:
    """A part of an expression. Sets of bytes are integers with a bit for each byte."""

    kind: RegexNodeKind
    mask: int = 0
    place: str = ""
    parts: tuple["RegexNode", ...] = ()
    least: int = 0
    most: int | None = None


def _set(members: bytes) -> int:
    mask = 0
    for byte in members:
        mask |= 1 << byte
    return mask


ALL_BYTES = (1 << 256) - 1
_DIGITS = _set(b"0123456789")
WORD_BYTES = _DIGITS | _set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACES = _set(b" \t\n\v\f\r")
_ANY = ALL_BYTES & ~_set(b"\n\r")
_CLASSES = {
    "d": _DIGITS,
    "D": ALL_BYTES & ~_DIGITS,
    "w": WORD_BYTES,
    "W": ALL_BYTES & ~WORD_BYTES,
    "s": _SPACES,
    "S": ALL_BYTES & ~_SPACES,
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}


def parse_regex(pattern: str) -> RegexNode:
    """Return the tree of an expression. Raises `INVALID_REGEX`, with the position and reason."""
    if len(pattern.encode(errors="replace")) > _LENGTH:
        raise error_for(ErrorCode.ALIAS_TOO_LONG, f"An expression has at most {_LENGTH} bytes.")
    if not pattern:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "The expression is empty.")
    return _RegexParser(pattern).all()


class _RegexParser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def all(self) -> RegexNode:
        node = self._choice()
        if self._at < len(self._text):
            self._fail("a parenthesis closes no group")
        return node

    def _fail(self, reason: str) -> NoReturn:
        raise error_for(ErrorCode.INVALID_REGEX, f"At character {self._at}, {reason}.")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        if self._at >= len(self._text):
            self._fail("the expression ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _skip(self, expected: str) -> bool:
        if self._text.startswith(expected, self._at):
            self._at += len(expected)
            return True
        return False

    def _choice(self) -> RegexNode:
        parts = [self._sequence()]
        while self._skip("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else RegexNode(RegexNodeKind.CHOICE, parts=tuple(parts))

    def _sequence(self) -> RegexNode:
        parts = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return RegexNode(RegexNodeKind.SEQUENCE, parts=tuple(parts))

    def _repeated(self, node: RegexNode) -> RegexNode:
        bounds = self._bounds()
        if bounds is None:
            return node
        if node.kind is RegexNodeKind.PLACE:
            self._fail("an assertion (^, $, \\b or \\B) can't be repeated")
        self._skip("?")  # greedy or not, the same contents match
        if self._bounds() is not None:
            self._fail("a repetition is repeated: use a group")
        return RegexNode(RegexNodeKind.REPEAT, parts=(node,), least=bounds[0], most=bounds[1])

    def _bounds(self) -> tuple[int, int | None] | None:
        if self._skip("*"):
            return 0, None
        if self._skip("+"):
            return 1, None
        if self._skip("?"):
            return 0, 1
        if not self._skip("{"):
            return None
        least = self._number()
        most: int | None = least
        if self._skip(","):
            most = None if self._peek() == "}" else self._number()
        if not self._skip("}") or (most is not None and most < least):
            self._fail("the bounds of a repetition are wrong")
        return least, most

    def _number(self) -> int:
        begin = self._at
        while self._peek() and self._peek() in "0123456789":
            self._at += 1
        digits = self._text[begin : self._at]
        if not digits:
            self._fail("a number is missing")
        if len(digits) > 4 or int(digits) > _REPEATS:
            detail = f"At most {_REPEATS} repetitions are allowed."
            raise error_for(ErrorCode.QUERY_TOO_COMPLEX, detail)
        return int(digits)

    def _atom(self) -> RegexNode:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == ".":
            return RegexNode(RegexNodeKind.BYTE, mask=_ANY)
        if char in "^$":
            return RegexNode(RegexNodeKind.PLACE, place=char)
        if char in "*+?{":
            self._fail("there is nothing to repeat")
        if char == "\\":
            if self._peek() in ("b", "B"):
                return RegexNode(RegexNodeKind.PLACE, place=self._take())
            escaped = self._escape()
            return (
                RegexNode(RegexNodeKind.BYTE, mask=escaped)
                if isinstance(escaped, int)
                else _text(escaped)
            )
        return _text(self._valid(char).encode())

    def _group(self) -> RegexNode:
        if self._skip("?") and not self._skip(":"):
            self._fail("lookaround and named groups are not supported")
        self._depth += 1
        if self._depth > _DEPTH:
            detail = f"Groups may be nested at most {_DEPTH} deep."
            raise error_for(ErrorCode.QUERY_TOO_COMPLEX, detail)
        node = self._choice()
        self._depth -= 1
        if not self._skip(")"):
            self._fail("a group is not closed")
        return node

    def _class(self) -> RegexNode:
        negated = self._skip("^")
        mask = 0
        texts: list[bytes] = []
        while not self._skip("]"):
            low = self._member()
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
                self._take()
                mask |= self._range(low, self._member())
            elif isinstance(low, int):
                mask |= low
            elif len(low) == 1:
                mask |= 1 << low[0]
            else:
                texts.append(low)
        if not texts:
            return RegexNode(RegexNodeKind.BYTE, mask=ALL_BYTES & ~mask if negated else mask)
        if negated:
            self._fail("only ASCII can be excluded from a class")
        choices = (RegexNode(RegexNodeKind.BYTE, mask=mask), *map(_text, texts))
        return RegexNode(RegexNodeKind.CHOICE, parts=choices)

    def _member(self) -> int | bytes:
        char = self._take()
        if char != "\\":
            return self._valid(char).encode()
        if self._skip("b"):
            return b"\b"
        return self._escape()

    def _range(self, low: int | bytes, high: int | bytes) -> int:
        if isinstance(low, int) or isinstance(high, int) or len(low) > 1 or len(high) > 1:
            self._fail("a range must go from one ASCII character to another")
        if low > high:
            self._fail("a range is the wrong way round")
        return _set(bytes(range(low[0], high[0] + 1)))

    def _escape(self) -> int | bytes:
        """Return a set of bytes, or the bytes of one character."""
        char = self._take()
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS:
            if char == "0" and self._peek().isdigit():
                self._fail("octal numbers are not supported")
            return _CONTROLS[char].encode()
        if char == "x":
            return bytes([self._code(2)])
        if char == "u":
            return self._valid(chr(self._code(4))).encode()
        if char == "c" and self._peek().isascii() and self._peek().isalpha():
            return bytes([ord(self._take()) % 32])
        if char.isalnum():
            self._fail("this escape is unknown, or a back-reference, which is not supported")
        return self._valid(char).encode()

    def _code(self, digits: int) -> int:
        code = self._text[self._at : self._at + digits]
        if len(code) < digits or any(digit not in _HEX for digit in code):
            self._fail(f"{digits} hexadecimal digits are missing")
        self._at += digits
        return int(code, 16)

    def _valid(self, char: str) -> str:
        if "\ud800" <= char <= "\udfff":
            self._fail("there is a lone surrogate, which is not a character")
        return char


def _text(content: bytes) -> RegexNode:
    if len(content) == 1:
        return RegexNode(RegexNodeKind.BYTE, mask=1 << content[0])
    parts = tuple(RegexNode(RegexNodeKind.BYTE, mask=1 << byte) for byte in content)
    return RegexNode(RegexNodeKind.SEQUENCE, parts=parts)
