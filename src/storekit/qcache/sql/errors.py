"""Errors of the translation from SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Refused", "UnsupportedSql"]


class UnsupportedSql(ValueError):
    """The text is not a SELECT that QCache has an equivalent of. The message has the place."""


class Refused(Exception):
    """A part of a statement that QCache has no equivalent of."""

    def __init__(self, node: exp.Expr, reason: str) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason
