"""The URI of a cluster, checked here because the C library accepts malformed ones."""

import re
from collections.abc import Iterable

__all__ = ["join_uris"]

_SCHEME = "qdb://"
_NODE = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s\[\]:/@?#,;\0]+):([0-9]{1,5})", re.ASCII)


def join_uris(uris: str | Iterable[str]) -> str:
    """Return one URI `qdb://host:port[,host:port...]` with the nodes of all given ones.

    Raises:
        ValueError: For a malformed URI. An IPv6 address must be in brackets.

    """
    given = [uris] if isinstance(uris, str) else list(uris)
    if not given:
        raise ValueError("a cluster needs at least one URI: qdb://host:port")
    nodes = []
    for uri in given:
        if "@" in uri:  # not shown: a password may stand before the @
            raise ValueError("a URI of a cluster has no user; credentials are session options")
        if not uri.startswith(_SCHEME):
            raise ValueError(f"not a URI of a cluster: {uri!r}; it should be qdb://host:port")
        for node in uri.removeprefix(_SCHEME).split(","):
            match = _NODE.fullmatch(node)
            if match is None or not 0 < int(match[1]) < 65536:
                raise ValueError(f"not a host and port: {node!r} in {uri!r}")
            if node not in nodes:
                nodes.append(node)
    return _SCHEME + ",".join(nodes)
