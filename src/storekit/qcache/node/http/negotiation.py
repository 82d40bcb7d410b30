"""Content negotiation: formats and encodings, by the headers.

They are compared as RFC 9110 says: names without case, lists, parameters, weights.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from storekit.qcache.compression import Compression, ContentTooLarge, decompress, require
from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import Refusal, TooLarge
from storekit.qcache.node.http.requests import JSON_TYPE

__all__ = [
    "CSV_TYPE",
    "NotAcceptable",
    "UnsupportedType",
    "accepted_format",
    "accepts",
    "check_table_format",
    "decode_body",
    "encoding_for",
    "etag_matches",
]

CSV_TYPE = "text/csv"

_FORMATS = (JSON_TYPE, CSV_TYPE)
_ALIASES = {"x-gzip": "gzip"}
_BEST_RATIO = 255
"""One byte of an LZ4 block stands for at most this many."""

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf"(?:[^,\"]|{_QUOTED}|\")+")
_PARAMETER = re.compile(rf';[ \t]*([^=;\s"]+)[ \t]*=[ \t]*({_QUOTED}|[^;"]*)')
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class NotAcceptable(Refusal):
    """A response was requested in a format that the node does not support."""

    status = 406


class UnsupportedType(Refusal):
    """A table was posted in a format that the node does not support."""

    status = 415


class _Element(NamedTuple):
    """One element of a list in a header: `name;parameter=value`, in lower case."""

    name: str
    parameters: Mapping[str, str]

    @property
    def weight(self) -> float:
        try:
            return float(self.parameters.get("q", "1"))
        except ValueError:
            return 0.0


def _elements(header: str) -> Iterator[_Element]:
    for match in _ELEMENT.finditer(header):
        name, _, _ = match[0].partition(";")
        if name.strip():
            found = _PARAMETER.findall(match[0].lower())
            # Of a repeated parameter, the first counts.
            parameters = {key: value.strip().strip('"') for key, value in reversed(found)}
            yield _Element(name.strip().lower(), parameters)


# Formats


def accepted_format(accept: str | None) -> str:
    """Return the format that an `Accept` header prefers; JSON by default.

    `NotAcceptable` if it names neither JSON nor CSV, or with a weight of 0 only.
    """
    if accept is None:
        return JSON_TYPE
    if accept in _FORMATS:  # as in most requests
        return accept
    wanted = list(_elements(accept))
    best = max(_FORMATS, key=lambda kind: _preference(kind, wanted))
    if _preference(best, wanted)[0] <= 0:
        raise NotAcceptable(f"Accept must allow {JSON_TYPE} or {CSV_TYPE}; not {accept!r}")
    return best


def _preference(kind: str, wanted: Sequence[_Element]) -> tuple[float, int]:
    """Return the weight of a format, and its place in the list, by the range that fits it best."""
    for name in (kind, kind.partition("/")[0] + "/*", "*/*"):
        for place, each in enumerate(wanted):
            if each.name == name:
                return each.weight, -place
    return 0.0, 0


def accepts(accept: str | None, kind: str) -> bool:
    """Whether an `Accept` header names a format itself, not by a wildcard."""
    return any(each.name == kind and each.weight > 0 for each in _elements(accept or ""))


def check_table_format(content_type: str | None) -> str:
    """Return the format of an upload: CSV unless a `Content-Type` says that it is JSON.

    `UnsupportedType` for other types, and for a charset that is not UTF-8.
    """
    if content_type is None:
        return CSV_TYPE
    told = next(_elements(content_type), None)
    if (
        told is None
        or told.name not in _FORMATS
        or told.parameters.get("charset", "utf-8") not in ("utf-8", "utf8")
    ):
        raise UnsupportedType(
            f"Content-Type must be {CSV_TYPE} or {JSON_TYPE}, with no charset but utf-8; "
            f"not {content_type!r}"
        )
    return told.name


# Encodings


def _one_encoding(header: str | None) -> str | None:
    """Return the one encoding that a `Content-Encoding` header names, None if there is none.

    `Refusal` for more than one, or another than gzip and lz4.
    """
    if header is None:  # as for most requests
        return None
    names = [_ALIASES.get(each.name, each.name) for each in _elements(header)]
    encodings = [name for name in names if name != "identity"]
    if len(encodings) > 1 or not set(encodings) <= {"gzip", "lz4"}:
        raise Refusal(f"Content-Encoding must be gzip or lz4, or not be there; not {header!r}")
    return encodings[0] if encodings else None


def decode_body(body: bytes, header: str | None, limit: int, budget: Budget) -> bytes:
    """Undo the `Content-Encoding` of an upload or query.

    Raises `TooLarge` before more than `limit` bytes are unpacked, else `Refusal`. What is
    unpacked is drawn on the budget.
    """
    encoding = _one_encoding(header)
    if encoding is None:
        budget.take(len(body), "the content")
        return body
    if encoding == "lz4" and not _has_lz4():
        raise Refusal(
            "Content-Encoding lz4: this node has no lz4; send gzip or plain content, "
            "or install it there: pip install 'storekit[lz4]'"
        )
    if encoding == "lz4" and int.from_bytes(body[:4], "little") > _BEST_RATIO * len(body):
        raise Refusal(
            "Content-Encoding lz4: the size in front of the block cannot be right; "
            "neither a frame nor a block without its size is what QCache means by lz4"
        )
    budget.check()
    budget.take(len(body), "the content")
    try:
        # Twice its size, since it is decompressed in pieces, which are then joined.
        content = decompress(body, encoding, min(limit, budget.left // 2))
    except ContentTooLarge as error:
        raise TooLarge(f"Content-Encoding {encoding}: {error}") from error
    except ValueError as error:
        raise Refusal(f"Content-Encoding {encoding}: {error}") from error
    budget.take(len(content), "the unpacked content")
    return content


def encoding_for(accept_encoding: str | None) -> Compression | None:
    """Return how to encode an answer: what has the most weight, lz4 before gzip; else plain.

    `*` selects neither. lz4 needs the lz4 package.
    """
    if accept_encoding is None:
        return None
    lz4, gzip = _weights(accept_encoding)
    if lz4 and lz4 >= gzip and _has_lz4():
        return "lz4"
    return "gzip" if gzip else None


@lru_cache(maxsize=32)  # clients send the same each time: a twentieth of a small query
def _weights(accept_encoding: str) -> tuple[float, float]:
    """Return the weights of lz4 and gzip."""
    wanted = _elements(accept_encoding)
    weights = {_ALIASES.get(each.name, each.name): each.weight for each in wanted}
    return weights.get("lz4", 0), weights.get("gzip", 0)


def _has_lz4() -> bool:
    """Whether the lz4 package is installed."""
    try:
        require("lz4")
    except ModuleNotFoundError:
        return False
    return True


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Whether one of the tags of an `If-None-Match` header is this one."""
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)
