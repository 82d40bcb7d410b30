"""Addresses of nodes, and headers that depend on them: Host and Authorization. No I/O."""

import re
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import unquote

import httpx

__all__ = ["EMBEDDED", "authorization", "check_node", "embedded_name", "host_header"]

EMBEDDED = "embedded:"
"""Start of the address of a node in this process; a name may follow."""

_URL = re.compile(
    r"https?://(\[[0-9A-Fa-f:.]+(%(?P<zone>[^\]\s/?#]+))?\]|[^\s/?#:\[\]\\<>\"^`{|}%]+)"
    r"(:(?P<port>[0-9]{1,5})?)?(?P<path>/[^\s?#\\]*)?",
    re.IGNORECASE,
)
_ZONE = re.compile(r"[A-Za-z0-9._~-]+")
_NAME = re.compile(r"[A-Za-z0-9_.-]*")
_EMBEDDED_URL = httpx.URL("embedded://node/")


def check_node(node: str) -> httpx.URL:
    """Return the address of a node as a URL that ends with a slash.

    All nodes in this process have the same URL, with the scheme `embedded`. Raises `TypeError`
    and `ValueError`.
    """
    if not isinstance(node, str):
        raise TypeError(
            f"a node must be a str such as 'http://host:9401', not {type(node).__name__}"
        )
    if node.startswith(EMBEDDED):
        embedded_name(node)
        return _EMBEDDED_URL
    if "@" in node:  # the message does not show the address, which may have a password
        raise ValueError("a node must not hold a user name or password; use auth=(user, password)")
    url = _parse(node)
    if url is None:
        raise ValueError(
            f"a node must be a URL such as 'http://host:9401', or 'embedded:', not {node!r}"
        )
    path = url.raw_path
    return url if path.endswith(b"/") else url.copy_with(raw_path=path + b"/")


def _parse(node: str) -> httpx.URL | None:
    # httpx strips or escapes invalid characters. The ring hashes the text as it was given, so
    # only text that is a valid URL without such corrections is accepted.
    match = _URL.fullmatch(node)
    if match is None or not node.isprintable():
        return None
    zone, port = match["zone"], match["port"]
    if port and not 1 <= int(port) <= 65535:
        return None
    if zone is not None:  # RFC 6874 writes %25 before a zone, and escapes what is in it
        zone = unquote(zone.removeprefix("25") if len(zone) > 2 else zone)
        if not _ZONE.fullmatch(zone):
            return None
        node = node[: match.start("zone")] + zone + node[match.end("zone") :]
    if {".", ".."} & set((match["path"] or "").split("/")):  # httpx resolves them
        return None
    try:
        url = httpx.URL(node)
    except httpx.InvalidURL:
        return None
    return url if _may_be_host(url.raw_host.decode()) else None


def _may_be_host(host: str) -> bool:
    """Whether a host has no empty label and none that is too long (RFC 1035 2.3.4)."""
    name = host.removesuffix(".")
    return len(name) <= 253 and all(1 <= len(label) <= 63 for label in name.split("."))


def host_header(url: httpx.URL) -> bytes:
    """Return the value of the Host header, without an IPv6 zone: only this machine knows that."""
    return re.sub(rb"%[^\]]*", b"", url.netloc)


def embedded_name(address: str) -> str:
    """Return the name in `embedded:NAME`, empty for `embedded:`. Raises `ValueError`."""
    name = address.removeprefix(EMBEDDED)
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"an embedded node is 'embedded:', or 'embedded:NAME' with A-Z a-z 0-9 _ . and - "
            f"in the name; not {address!r}"
        )
    return name


def authorization(auth: tuple[str, str]) -> str:
    """Return the header value for basic authentication. Raises `TypeError` and `ValueError`."""
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
