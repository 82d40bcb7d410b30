"""What a node refuses. The node answers with the status, and the message as JSON."""

__all__ = ["BadQuery", "BadTable", "Refusal", "TooLarge"]


class Refusal(Exception):
    """A request that cannot be served, for a reason that the client can change."""

    status = 400


class BadTable(Refusal):
    """Content, or a header about its columns, that makes no table."""


class BadQuery(Refusal):
    """A query that the language does not have, or that does not fit the table."""


class TooLarge(Refusal):
    """More content than the node takes, or what unfolds to more."""

    status = 413
