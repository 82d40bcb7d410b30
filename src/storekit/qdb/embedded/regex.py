"""Regular expressions over bytes, matched in time proportional to the content.

Python's `re` backtracks, which can take exponential time and can't be interrupted, and patterns
may come from users of the program. This module simulates a nondeterministic automaton (Thompson's
construction) and builds the deterministic one on demand while matching. Back-references and
lookaround are not supported.
"""

from dataclasses import dataclass, field

from storekit.qdb.embedded.regex_syntax import (
    ALL_BYTES,
    WORD_BYTES,
    RegexNode,
    RegexNodeKind,
    parse_regex,
)
from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["Regex"]

_NODE_LIMIT = 5000
"""The largest number of instructions of an expression."""

_STATES = 1000  # in the table before it is cleared
_BUDGET = 4_000_000  # steps of building the table, a second or two; using it does not count

_START, _WORD, _OTHER, _END = range(4)  # the kinds of bytes before or after a position
_KIND = [_WORD if WORD_BYTES >> byte & 1 else _OTHER for byte in range(256)]


@dataclass(slots=True)
class _Step:
    """One instruction: match a byte of `mask`, or continue at each of `to` if `place` holds."""

    mask: int = 0
    to: list[int] = field(default_factory=list)
    place: str = ""


@dataclass(slots=True, eq=False)
class _State:
    """A state of the deterministic automaton: a set of instructions, after a kind of byte."""

    steps: frozenset[int]
    before: int
    next: list["_State | None"] = field(default_factory=lambda: [None] * 256)
    at_end: bool | None = None


class Regex:
    r"""A compiled expression, in the syntax of ECMAScript.

    Supports `.`, classes, `*`, `+`, `?`, `{m,n}`, `|`, groups, `^`, `$`, `\b` and the usual
    escapes. Content is matched byte by byte; characters beyond ASCII in the pattern stand for
    their bytes in UTF-8. Raises `INVALID_REGEX` for a malformed expression, and
    `QUERY_TOO_COMPLEX` for one that would take too long, here or during a search.
    """

    def __init__(self, pattern: str) -> None:
        self._program: list[_Step] = []
        self._budget = _BUDGET
        self._emit(parse_regex(pattern))
        self._end = len(self._program)  # after the last instruction: the expression has matched
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
        """Return all instructions that are reached without matching a byte."""
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
            self._program.append(_Step(mask=node.mask & ALL_BYTES))
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
