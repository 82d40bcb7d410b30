"""Undoing the content encodings of a node, on top of what the client has: whose fault it is."""

from storekit.qcache.compression import ContentTooLarge, decompress
from storekit.qcache.node.budget import Budget
from storekit.qcache.node.errors import Refusal, TooLarge
from storekit.qcache.node.http.negotiation import content_encoding, lz4_installed

__all__ = ["decode_body"]

_BEST_RATIO = 255
"""One byte of an LZ4 block stands for at most this many."""


def decode_body(body: bytes, header: str | None, limit: int, budget: Budget) -> bytes:
    """Undo the `Content-Encoding` of an upload or query.

    Raises `TooLarge` before more than `limit` bytes are unpacked, else `Refusal`. What is
    unpacked is drawn on the budget.
    """
    encoding = content_encoding(header)
    if encoding is None:
        budget.take(len(body), "the content")
        return body
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
    budget.check()
    budget.take(len(body), "the content")
    try:
        # Twice, since it comes in pieces, which are then put together.
        content = decompress(body, encoding, min(limit, budget.left // 2))
    except ContentTooLarge as error:
        raise TooLarge(f"Content-Encoding {encoding}: {error}") from error
    except ValueError as error:
        raise Refusal(f"Content-Encoding {encoding}: {error}") from error
    budget.take(len(content), "the unpacked content")
    return content
