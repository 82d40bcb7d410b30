"""Refusals of a node. The response has their status, and the message as JSON."""

__all__ = ["BadQuery", "BadTable", "Refusal", "TooLarge"]


class Refusal(Exception):
    """A request that cannot be served, for a reason that the client can change."""

    status = 400


class BadTable(Refusal):
    """The content, or a header about its columns, is not a valid table."""


class BadQuery(Refusal):
    """The query is invalid, or does not fit the table."""


class TooLarge(Refusal):
    """The content is larger than the node accepts, before or after decompression."""

    status = 413
