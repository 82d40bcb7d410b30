"""Regular expressions over bytes, in time that grows with the content and nothing else.

Python's `re` may try exponentially many ways to match, cannot be stopped, and the pattern
comes from whoever asks. This is the other classical way: all ways at once, as the states of
an automaton that is built while it runs (Thompson, and a table that grows on demand). What
needs memory of what was matched, back-references and lookaround, does not exist here.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NoReturn

from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["Regex"]

_NODE_LIMIT = 5000
"""Most instructions of an expression."""

_LENGTH = 1000  # characters of an expression
_DEPTH = 50  # groups in groups
_REPEATS = 1000
_HEX = "0123456789abcdefABCDEF"


class RegexNodeKind(Enum):
    """What a node of the tree is."""

    BYTE = auto()  # one of `mask`
    PLACE = auto()  # `place`: ^ $ b B
    SEQUENCE = auto()
    CHOICE = auto()
    REPEAT = auto()


@dataclass(frozen=True, slots=True)
class RegexNode:
    """A part of an expression. Sets of bytes are numbers with a bit for each."""

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


_ALL = (1 << 256) - 1
_DIGITS = _set(b"0123456789")
_WORD_BYTES = _DIGITS | _set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_SPACES = _set(b" \t\n\v\f\r")
_ANY = _ALL & ~_set(b"\n\r")
_CLASSES = {
    "d": _DIGITS,
    "D": _ALL & ~_DIGITS,
    "w": _WORD_BYTES,
    "W": _ALL & ~_WORD_BYTES,
    "s": _SPACES,
    "S": _ALL & ~_SPACES,
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}


def _parse(pattern: str) -> RegexNode:
    """Return the tree of an expression; `INVALID_REGEX` says what is wrong where."""
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
            self._fail("there is no group to close")
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
            self._fail("a place cannot be repeated")
        self._skip("?")  # greedy or not, what matches is the same
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
            raise error_for(ErrorCode.QUERY_TOO_COMPLEX, f"At most {_REPEATS} repetitions.")
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
            raise error_for(ErrorCode.QUERY_TOO_COMPLEX, f"At most {_DEPTH} groups in groups.")
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
            return RegexNode(RegexNodeKind.BYTE, mask=_ALL & ~mask if negated else mask)
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
            self._fail("a range goes from one byte to another")
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
            self._fail("half of a surrogate pair is no character")
        return char


def _text(content: bytes) -> RegexNode:
    if len(content) == 1:
        return RegexNode(RegexNodeKind.BYTE, mask=1 << content[0])
    parts = tuple(RegexNode(RegexNodeKind.BYTE, mask=1 << byte) for byte in content)
    return RegexNode(RegexNodeKind.SEQUENCE, parts=parts)


_STATES = 1000  # in the table before it is begun anew
_BUDGET = 4_000_000  # steps that build the table, a second or two; walking through it is free

_START, _WORD, _OTHER, _END = range(4)  # what stands before or after a position
_KIND = [_WORD if _WORD_BYTES >> byte & 1 else _OTHER for byte in range(256)]


@dataclass(slots=True)
class _Step:
    """One instruction: take a byte of `mask`, or go on at each of `to` if `place` holds."""

    mask: int = 0
    to: list[int] = field(default_factory=list)
    place: str = ""


@dataclass(slots=True, eq=False)
class _State:
    """Where all ways stand, after something of one kind."""

    steps: frozenset[int]
    before: int
    next: list["_State | None"] = field(default_factory=lambda: [None] * 256)
    at_end: bool | None = None


class Regex:
    r"""A compiled expression, in the syntax of ECMAScript.

    It knows `.`, classes, `*`, `+`, `?`, `{m,n}`, `|`, groups, `^`, `$`, `\b` and the usual
    escapes. Content is taken byte for byte; characters beyond ASCII in the pattern stand for
    their bytes in UTF-8. `INVALID_REGEX` is raised for what it can't read, and
    `QUERY_TOO_COMPLEX` for what would take too long, here or while it is used.
    """

    def __init__(self, pattern: str) -> None:
        self._program: list[_Step] = []
        self._budget = _BUDGET
        self._emit(_parse(pattern))
        self._end = len(self._program)  # no instruction: all is matched
        self._found = _State(frozenset(), _OTHER)
        self._table: dict[tuple[frozenset[int], int], _State] = {}

    def search(self, content: bytes) -> bool:
        """Return whether some part of the content matches."""
        found = self._found
        state = self._state(frozenset(), _START)
        for byte in content:
            following = state.next[byte]
            if following is None:
                following = self._advance(state, byte)
            if following is found:
                return True
            state = following
        if state.at_end is None:
            state.at_end = self._end in self._closure(state, _END)
        return state.at_end

    def _state(self, steps: frozenset[int], before: int) -> _State:
        state = self._table.get((steps, before))
        if state is None:
            if len(self._table) >= _STATES:
                self._table.clear()
            state = self._table[steps, before] = _State(steps, before)
        return state

    def _advance(self, state: _State, byte: int) -> _State:
        reached = self._closure(state, _KIND[byte])
        if self._end in reached:
            following = self._found
        else:
            program = self._program
            steps = frozenset(at + 1 for at in reached if program[at].mask >> byte & 1)
            following = self._state(steps, _KIND[byte])
        state.next[byte] = following
        return following

    def _closure(self, state: _State, after: int) -> set[int]:
        """Return all instructions that are reached without taking a byte."""
        reached: set[int] = set()
        pending = [*state.steps, 0]  # a match may begin anywhere
        while pending:
            at = pending.pop()
            if at in reached:
                continue
            reached.add(at)
            if at < self._end:
                step = self._program[at]
                if step.to and _holds(step.place, state.before, after):
                    pending += step.to
        self._budget -= len(reached) + 10
        if self._budget < 0:
            raise error_for(ErrorCode.QUERY_TOO_COMPLEX, "Make the expression simpler.")
        return reached

    def _emit(self, node: RegexNode) -> None:
        if len(self._program) > _NODE_LIMIT:
            raise error_for(ErrorCode.QUERY_TOO_COMPLEX, "Repeat less in the expression.")
        if node.kind is RegexNodeKind.BYTE:
            self._program.append(_Step(mask=node.mask & _ALL))
        elif node.kind is RegexNodeKind.PLACE:
            at = len(self._program)
            self._program.append(_Step(to=[at + 1], place=node.place))
        elif node.kind is RegexNodeKind.SEQUENCE:
            for part in node.parts:
                self._emit(part)
        elif node.kind is RegexNodeKind.CHOICE:
            self._emit_choice(node)
        else:
            self._emit_repetition(node)

    def _emit_choice(self, node: RegexNode) -> None:
        fork, ends = _Step(), []
        self._program.append(fork)
        for part in node.parts:
            fork.to.append(len(self._program))
            self._emit(part)
            end = _Step()
            self._program.append(end)
            ends.append(end)
        for end in ends:
            end.to.append(len(self._program))

    def _emit_repetition(self, node: RegexNode) -> None:
        (part,) = node.parts
        for _ in range(node.least):
            self._emit(part)
        if node.most is None:
            fork = _Step()
            begin = len(self._program)
            self._program.append(fork)
            self._emit(part)
            self._program.append(_Step(to=[begin]))
            fork.to = [begin + 1, len(self._program)]
            return
        forks = []
        for _ in range(node.most - node.least):
            fork = _Step(to=[len(self._program) + 1])
            self._program.append(fork)
            forks.append(fork)
            self._emit(part)
        for fork in forks:
            fork.to.append(len(self._program))


def _holds(place: str, before: int, after: int) -> bool:
    if not place:
        return True
    if place == "^":
        return before == _START
    if place == "$":
        return after == _END
    boundary = (before == _WORD) != (after == _WORD)
    return boundary if place == "b" else not boundary
