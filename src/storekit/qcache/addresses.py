"""Where a node is, and what lets a client in: what clients and nodes must agree on. No I/O."""

import re
from base64 import b64encode
from collections.abc import Sequence

import httpx

__all__ = ["EMBEDDED", "authorization", "check_node", "embedded_name"]

EMBEDDED = "embedded:"
"""How the address of a node in this process begins; the rest is its name, which may be empty."""

_NAME = re.compile(r"[A-Za-z0-9_.-]*")
_EMBEDDED_URL = httpx.URL("embedded://node/")


def check_node(node: str) -> httpx.URL:
    """Return the address of a node as a URL that ends with a slash.

    One in this process has the scheme `embedded`; which one it is, only its text says.
    """
    if not isinstance(node, str):
        raise TypeError(
            f"a node must be a str such as 'http://host:9401', not {type(node).__name__}"
        )
    if node.startswith(EMBEDDED):
        embedded_name(node)
        return _EMBEDDED_URL
    try:
        url = httpx.URL(node)
    except httpx.InvalidURL:
        url = httpx.URL()
    if "@" in node:  # what is before it is not repeated here: it holds a password
        raise ValueError("a node must not hold a user name or password; use auth=(user, password)")
    well_formed = url.scheme in ("http", "https") and url.host and (url.port or 80) < 65536
    if not well_formed or url.query or url.fragment:
        raise ValueError(
            f"a node must be a URL such as 'http://host:9401', or 'embedded:', not {node!r}"
        )
    path = url.raw_path
    return url if path.endswith(b"/") else url.copy_with(raw_path=path + b"/")


def embedded_name(address: str) -> str:
    """Return the name in `embedded:NAME`, empty for `embedded:`. `ValueError` for all else."""
    name = address.removeprefix(EMBEDDED)
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"an embedded node is 'embedded:', or 'embedded:NAME' with A-Z a-z 0-9 _ . and - "
            f"in the name; not {address!r}"
        )
    return name


def authorization(auth: tuple[str, str]) -> str:
    """Return the header value for basic authentication."""
    # No message here shows a value: one of them is the password.
    if (
        not isinstance(auth, Sequence)
        or isinstance(auth, str | bytes)
        or len(auth) != 2
        or not all(isinstance(part, str) for part in auth)
    ):
        raise TypeError("auth must be a tuple (user name, password) of two str")
    user, password = auth
    if ":" in user:
        raise ValueError("a user name for basic authentication cannot have a colon")
    try:
        credentials = f"{user}:{password}".encode()
    except UnicodeEncodeError:
        raise ValueError("auth has characters that cannot be sent (lone surrogates)") from None
    return "Basic " + b64encode(credentials).decode()
