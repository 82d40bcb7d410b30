"""The expressions of aliases, from JSON or text to a tree.

QCache passes text to pandas, which evaluates it as Python. This is a small grammar instead:
numbers, quoted text, columns, operators, and calls of some functions, without attributes, methods
or subscripts.
"""

import keyword
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.query.arithmetic import OPERATORS
from storekit.qcache.node.query.comparing import COMPARISONS
from storekit.qcache.node.query.refusing import bad_query

__all__ = [
    "KEYWORDS",
    "ColumnReference",
    "Constant",
    "Expression",
    "FunctionCall",
    "parse_expression",
]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, bool or text. Intermediate whole numbers may have more than 64 bits."""

    value: float | str


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """A column of the table, or an alias from further left."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """An operator or function of `OPERATORS`, and its operands."""

    name: str
    operands: tuple["Expression", ...]


Expression = Constant | ColumnReference | FunctionCall

KEYWORDS = frozenset(keyword.kwlist) - {"True", "False", "async", "await", "nonlocal"} | {
    "exec",
    "print",
}
"""Keywords of Python 2: QCache cannot assign to them, nor read columns of such names."""

_WORDS = frozenset({"and", "or", "not"})  # which are not functions
_ONLY_IN_TEXT = frozenset({"arctan2"})  # in QCache not in lists
_NO_NAMES = KEYWORDS - {"None"}  # a name in QCache, without a value
_SYNONYMS = {"&": "and", "|": "or", "~": "not", "<>": "!="}
_NAMED = {"True": True, "False": False, "inf": float("inf"), "Inf": float("inf")}
_LENGTH = 1000  # characters of an expression in text
_TOKENS = 200  # in it, which bounds the depth of its tree
_DEPTH = 50  # of parentheses and signs in it
_MOST_BITS = 10_000  # of an intermediate whole number

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.]))
      | (?P<name>[^\W\d]\w*)
      | (?P<local>@[^\W\d]\w*)
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<sign>\*\*|//|==|!=|<>|<=|>=|[-+*/%<>&|~(),])
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}


def parse_expression(source: object) -> Expression:
    """Return the tree of an expression of JSON: a list, a number, or text.

    Text is a name, a quoted text, or a whole expression. `BadQuery` if it is malformed.
    """
    if isinstance(source, str):
        return _Parser(source).all()
    if source is None or source != source:
        raise BadQuery(f"name '{source}' is not defined")
    if isinstance(source, int | float):
        return Constant(source)
    if not isinstance(source, list):
        raise bad_query("Unknown function in alias", source)
    if len(source) not in (2, 3):
        raise bad_query("Invalid number of arguments", source)
    name = source[0]
    if isinstance(name, str):
        operands = tuple(parse_expression(part) for part in source[1:])
        name = _SYNONYMS.get(name, name)
        if (name, len(operands)) in OPERATORS and name not in _ONLY_IN_TEXT:
            return _call(name, operands)
    raise bad_query("Unknown function in alias", source)


def _call(name: str, operands: tuple[Expression, ...]) -> Expression:
    """Return a call, or its value as in Python if all operands are whole numbers.

    So -9223372036854775808 is valid, although 9223372036854775808 exceeds 64 bits.
    """
    numbers = [part.value for part in operands if isinstance(part, Constant)]
    whole = [number for number in numbers if type(number) is int]  # and no bool
    function = _OF_WHOLE.get((name, len(operands)))
    result = None if function is None or len(whole) < len(operands) else function(*whole)
    return FunctionCall(name, operands) if result is None else Constant(result)


def _quotient(number: int, by: int) -> int | None:
    return number // by if by else None


def _rest(number: int, by: int) -> int | None:
    return number % by if by else None


def _power(number: int, exponent: int) -> int | None:
    if number.bit_length() * exponent > _MOST_BITS:
        raise BadQuery("A number has more than 64 bits")
    return number**exponent if exponent >= 0 else None


_OF_WHOLE: dict[tuple[str, int], Callable[..., int | None]] = {
    ("+", 1): operator.pos,
    ("-", 1): operator.neg,
    ("not", 1): operator.invert,
    ("abs", 1): abs,
    ("+", 2): operator.add,
    ("-", 2): operator.sub,
    ("*", 2): operator.mul,
    ("//", 2): _quotient,
    ("%", 2): _rest,
    ("**", 2): _power,
    **{(name, 2): function for name, function in COMPARISONS.items()},
}
"""Operators on whole numbers in a query; a result of None is computed as for columns."""


class _Parser:
    """Parses an expression in the syntax of Python, with the precedence of pandas."""

    def __init__(self, text: str) -> None:
        self._source = text
        self._tokens = self._split()
        self._at = 0
        self._depth = 0

    def all(self) -> Expression:
        expression = self._or()
        if self._kind():
            raise self._error()
        return expression

    def _error(self) -> BadQuery:
        return bad_query("Unknown function in alias", self._source)

    def _split(self) -> list[tuple[str, str]]:
        text = self._source.rstrip()
        if len(text) > _LENGTH:
            raise BadQuery(f"An expression in text has at most {_LENGTH} characters")
        tokens, at = [], 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None or token.lastgroup is None:
                raise self._error()
            tokens.append((token.lastgroup, token[token.lastgroup]))
            at = token.end()
        if len(tokens) > _TOKENS:
            raise BadQuery(f"An expression in text has at most {_TOKENS} names, values and signs")
        return tokens

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _skip(self, *expected: str) -> str:
        """Consume the next token if it is expected; return it, or the token it is a synonym of."""
        if self._kind() not in ("sign", "name"):
            return ""
        found = self._tokens[self._at][1]
        if found not in expected:
            return ""
        self._at += 1
        return _SYNONYMS.get(found, found)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise BadQuery(f"An expression in text is at most {_DEPTH} levels deep")

    def _or(self) -> Expression:
        left = self._and()
        while name := self._skip("or", "|"):
            left = _call(name, (left, self._and()))
        return left

    def _and(self) -> Expression:
        left = self._not()
        while name := self._skip("and", "&"):
            left = _call(name, (left, self._not()))
        return left

    def _not(self) -> Expression:
        if not self._skip("not"):
            return self._comparison()
        self._deeper()
        operand = self._not()
        self._depth -= 1
        return _call("not", (operand,))

    def _comparison(self) -> Expression:
        left = self._sum()
        result: Expression | None = None
        while name := self._skip(*COMPARISONS, "<>"):
            right = self._sum()
            link = _call(name, (left, right))
            result = _call("and", (result, link)) if result else link
            left = right
        return result or left

    def _sum(self) -> Expression:
        left = self._product()
        while name := self._skip("+", "-"):
            left = _call(name, (left, self._product()))
        return left

    def _product(self) -> Expression:
        left = self._signed()
        while name := self._skip("*", "/", "//", "%"):
            left = _call(name, (left, self._signed()))
        return left

    def _signed(self) -> Expression:
        name = self._skip("+", "-", "~")
        if not name:
            return self._power()
        self._deeper()
        operand = self._signed()
        self._depth -= 1
        return _call(name, (operand,))

    def _power(self) -> Expression:
        base = self._atom()
        if not self._skip("**"):
            return base
        self._deeper()
        exponent = self._signed()
        self._depth -= 1
        return _call("**", (base, exponent))

    def _atom(self) -> Expression:
        if self._skip("("):
            group = self._group()
            if len(group) != 1:
                raise self._error()
            return group[0]
        kind = self._kind()
        if kind in ("", "sign"):
            raise self._error()
        token = self._tokens[self._at][1]
        if kind == "local":
            raise BadQuery(f"local variable '{token[1:]}' is not defined")
        self._at += 1
        if kind == "number":
            return self._number(token)
        if kind == "text":
            return Constant(_ESCAPE.sub(_unescaped, token[1:-1]))
        if self._skip("("):
            operands = self._group()
            if (token, len(operands)) not in OPERATORS or token in _WORDS:
                raise self._error()
            return _call(token, operands)
        if token in _NO_NAMES:
            raise self._error()
        return Constant(_NAMED[token]) if token in _NAMED else ColumnReference(token)

    def _group(self) -> tuple[Expression, ...]:
        """Read expressions with commas between them, up to the closing parenthesis."""
        self._deeper()
        parts = [self._or()]
        while self._skip(","):
            parts.append(self._or())
        self._depth -= 1
        if not self._skip(")"):
            raise self._error()
        return tuple(parts)

    def _number(self, text: str) -> Expression:
        if not text.isdigit():
            return Constant(float(text))
        if len(text) > 1 and text.startswith("0") and text.strip("0"):
            raise self._error()  # an octal number in Python 2, none in Python 3
        return Constant(int(text))


def _unescaped(escape: re.Match[str]) -> str:
    return _ESCAPED.get(escape[1], escape[0])
