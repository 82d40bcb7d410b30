"""Access control: refuses requests that a page of another site made a browser send.

A node on loopback has no password by default, and any page that is open in a browser on the same
machine can send requests to it. Browsers state the origin of a request in headers that pages cannot
set, so these are checked first:

- `Host`. A site can have its own name resolve to 127.0.0.1 once its page is loaded (DNS
  rebinding); the page may then read responses, since the browser takes them for its own site's.
  Its requests name that host, so only loopback and configured hosts are served.
- `Origin` and `Sec-Fetch-Site`. Pages of any site may send forms, blobs and images anywhere without
  a preflight. They can't read the responses, but the request is made. So requests from other
  sites may not store, remove or reset anything.

Pages of the node's own host are served, from any port: whoever can run a server there can reach
the node without a browser. Other clients send neither of the last two headers, and may omit the
host. Pages of a configured origin may also read responses (CORS).
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from storekit.qcache.node.http.requests import Request, Response, refused

__all__ = ["Access"]

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~%-]+)?\]|[A-Za-z0-9._-]+)(?::[0-9]*)?")
_OWN_SITES = frozenset(("same-origin", "same-site", "none"))
_RESETS = b"/qcache/statistics"
_READS = ("GET", "HEAD", "OPTIONS")
_PREFLIGHT_AGE = "600"  # seconds for which a browser may cache a preflight

Host = str | IPv4Address | IPv6Address


class Access:
    """Hosts that requests may name, and origins whose pages may read and change tables.

    Raises `TypeError` and `ValueError` for an invalid host or origin.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        """Allow requests to these hosts, and from pages of these origins.

        Args:
            hosts: Names or addresses without a port, in addition to loopback. `0.0.0.0` or `::`
                stands for all addresses, which no site can use as a name; `*` for all hosts.
            origins: E.g. `https://app.example:8443`, or `null`; `*` for all.

        """
        self._hosts: set[Host] = set()
        self._all_hosts = self._all_addresses = False
        for host in _each("hosts", hosts):
            self._allow_host(host)
        self._origins = {_origin(origin) for origin in _each("origins", origins)}

    def _allow_host(self, text: str) -> None:
        if text == "*":
            self._all_hosts = True
            return
        host = _bare_host(text)
        if host is None:
            raise ValueError(f"a host is a name or address without scheme and port, not {text!r}")
        self._hosts.add(host)
        if not isinstance(host, str) and host.is_unspecified:
            self._all_addresses = True

    def refuse(self, request: Request, listens_on: str | None = None) -> Response | None:
        """Return the response to a request that is refused, None for others.

        `listens_on` is the address at which the request arrived: that host is allowed, too.
        """
        named = request.headers.get("host")
        host = None if named is None else _host_of(named)
        if named is not None and host is None:
            return refused(400, "Host must be one name or address")
        if host is not None and not self._serves(host) and host != _bare_host(listens_on):
            return refused(
                421,
                f"This node does not serve the host {str(host)!r}, only loopback and those it was "
                "given: by --allow-host, or as allow_hosts of the application",
            )
        if self._changes(request) and not self._is_own(request, host):
            return refused(
                403,
                "A page of another host must not store, remove or reset anything here, unless its "
                "origin was allowed: by --allow-origin, or as allow_origins of the application",
            )
        return None

    def preflight(self, request: Request) -> Response | None:
        """Return the response to a CORS preflight, None for other requests."""
        headers = request.headers
        if request.method != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        if not self._is_allowed(headers.get("origin")):
            return None
        wanted = headers.get("access-control-request-headers", "")
        return Response(
            204,
            (
                ("access-control-allow-methods", "GET, POST, DELETE"),
                ("access-control-allow-headers", wanted),
                ("access-control-max-age", _PREFLIGHT_AGE),
            ),
        )

    def shared(self, request: Request, response: Response) -> Response:
        """Add the headers that let a page of a configured origin read a response."""
        origin = request.headers.get("origin")
        if origin is None or not self._is_allowed(origin):
            return response
        names = ", ".join(sorted({name for name, _ in response.headers}))
        added = (
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", names),
            ("vary", "origin"),
        )
        return replace(response, headers=(*response.headers, *added))

    def _serves(self, host: Host) -> bool:
        if self._all_hosts or host in self._hosts:
            return True
        if isinstance(host, str):
            return host == "localhost" or host.endswith(".localhost")
        return self._all_addresses or host.is_loopback

    def _changes(self, request: Request) -> bool:
        return request.method not in _READS or request.path == _RESETS

    def _is_own(self, request: Request, host: Host | None) -> bool:
        """Whether a request is from no page, a page of the same host, or an allowed origin."""
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site")
        if self._is_allowed(origin):
            return True
        if site is not None and site.strip().lower() not in _OWN_SITES:
            return False
        return origin is None or (host is not None and _host_of_origin(origin) == host)

    def _is_allowed(self, origin: str | None) -> bool:
        return origin is not None and (
            "*" in self._origins or origin.strip().lower() in self._origins
        )


def _each(option: str, values: Iterable[str]) -> list[str]:
    if isinstance(values, str | bytes):
        raise TypeError(f"{option} must be a list of str, not a single one")
    listed = list(values)
    for value in listed:
        if not isinstance(value, str):
            raise TypeError(f"{option} must be a list of str, but has {value!r}")
    return listed


def _host_of(authority: str) -> Host | None:
    """Return the host of `HOST[:PORT]` in lower case; None if it is malformed."""
    match = _AUTHORITY.fullmatch(authority.strip())
    if match is None:
        return None
    text = match[1].lower().removesuffix(".")
    if not text.startswith("["):
        try:
            return IPv4Address(text)
        except ValueError:
            return text or None
    try:
        address = IPv6Address(text[1:-1])
    except ValueError:
        return None
    return address.ipv4_mapped or address


def _bare_host(text: str | None) -> Host | None:
    """Return the host of a name, or of an address with or without brackets."""
    if text is None or (":" not in text and "[" not in text):
        return _host_of(text or "")
    return _host_of(text if text.startswith("[") and text.endswith("]") else f"[{text}]")


def _origin(text: str) -> str:
    """Return an origin as browsers write it."""
    lowered = text.strip().lower()
    if lowered not in ("*", "null"):
        scheme, separator, rest = lowered.partition("://")
        if not separator or not scheme or _host_of(rest) is None:
            raise ValueError(
                f"an origin is SCHEME://HOST, SCHEME://HOST:PORT, or null, not {text!r}"
            )
    return lowered


def _host_of_origin(origin: str) -> Host | None:
    _, separator, rest = origin.strip().partition("://")
    return _host_of(rest) if separator else None
