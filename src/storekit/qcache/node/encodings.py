"""Content encodings of a node, on top of what the client has: whose fault it is, and defaults."""

from storekit.qcache.compression import Compression, ContentTooLarge, decompress, require
from storekit.qcache.node.errors import Refusal
from storekit.qcache.node.http.requests import TooLarge

__all__ = ["decode_body", "encoding_for", "lz4_installed"]

_BEST_RATIO = 255
"""One byte of an LZ4 block stands for at most this many."""


def decode_body(body: bytes, encoding: str | None, limit: int) -> bytes:
    """Undo the `Content-Encoding` of an upload or query.

    Raises `TooLarge` before more than `limit` bytes are unpacked, else `Refusal`.
    """
    if encoding is None:
        return body
    if encoding not in ("gzip", "lz4"):
        raise Refusal(f"Content-Encoding must be gzip or lz4, or not be there; not {encoding!r}")
    if encoding == "lz4" and not lz4_installed():
        raise Refusal(
            "Content-Encoding lz4: this node has no lz4; send gzip or plain content, "
            "or install it there: pip install 'storekit[lz4]'"
        )
    if encoding == "lz4" and int.from_bytes(body[:4], "little") > _BEST_RATIO * len(body):
        raise Refusal(
            "Content-Encoding lz4: the size in front of the block cannot be right; "
            "neither a frame nor a block without its size is what QCache means by lz4"
        )
    try:
        return decompress(body, encoding, limit)
    except ContentTooLarge as error:
        raise TooLarge(f"Content-Encoding {encoding}: {error}") from error
    except ValueError as error:
        raise Refusal(f"Content-Encoding {encoding}: {error}") from error


def encoding_for(accept_encoding: str | None) -> Compression | None:
    """Return how to encode an answer: lz4 before gzip, plain if neither is named."""
    if accept_encoding is None:
        return None
    if "lz4" in accept_encoding and lz4_installed():
        return "lz4"
    return "gzip" if "gzip" in accept_encoding else None


def lz4_installed() -> bool:
    """Whether the lz4 package is there."""
    try:
        require("lz4")
    except ModuleNotFoundError:
        return False
    return True
