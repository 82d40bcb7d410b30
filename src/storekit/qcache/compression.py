"""QCache's content encodings, with bounds: gzip, and its own lz4 framing.

QCache's `lz4` is not the LZ4 frame format: it is the uncompressed size, as 4 bytes in
little-endian order, followed by one raw LZ4 block.
"""

import gzip
import zlib
from typing import Literal

from storekit import _extras

__all__ = ["Compression", "ContentTooLarge", "codings_of", "compress", "decompress", "require"]

Compression = Literal["gzip", "lz4"]

_LZ4_BEST_RATIO = 255
"""One byte of an LZ4 block decompresses to at most this many."""

_MOST_MEMBERS = 16
"""Limit of the members of gzip content. QCache sends one, and each costs a copy of the rest."""

_MOST_CODINGS = 2
"""Limit of the codings applied on top of each other: that of the node, and one of a proxy."""

_ALIASES = {"x-gzip": "gzip"}


class ContentTooLarge(ValueError):
    """The content is larger than allowed, or its declared size is."""


def require(compression: str | None) -> None:
    """Raise `ValueError` for an unknown compression, `ModuleNotFoundError` without its package."""
    if compression not in (None, "gzip", "lz4"):
        raise ValueError(f"compression must be None, 'gzip' or 'lz4', not {compression!r}")
    if compression == "lz4":
        _extras.require("compression='lz4'", "lz4", "lz4.block")


def compress(content: bytes, compression: Compression) -> bytes:
    """Return `content` encoded for QCache."""
    if compression == "gzip":
        return gzip.compress(content, compresslevel=1, mtime=0)
    import lz4.block  # noqa: PLC0415 - an extra, loaded when asked for

    encoded: bytes = lz4.block.compress(content, store_size=True)
    return encoded


def codings_of(header: str) -> list[str]:
    """Return the codings that a Content-Encoding header lists, in the order of application.

    Names are in lower case, `x-gzip` becomes `gzip`, and `identity` is left out (RFC 9110, 8.4.1).
    """
    names = (name.strip().lower() for name in header.split(","))
    return [_ALIASES.get(name, name) for name in names if name not in ("", "identity")]


def decompress(content: bytes, encoding: str, limit: int) -> bytes:
    """Undo the content encodings that a header lists.

    Raises `ContentTooLarge` before more than `limit` bytes are made, and `ValueError` for
    corrupt content or an unknown encoding.
    """
    codings = codings_of(encoding)
    if len(codings) > _MOST_CODINGS:
        raise ValueError(f"more than {_MOST_CODINGS} content encodings: {encoding[:100]!r}")
    for coding in reversed(codings):
        if coding == "gzip":
            content = _gunzip(content, limit)
        elif coding == "lz4":
            content = _unlz4(content, limit)
        else:
            raise ValueError(f"unknown content encoding {coding[:100]!r}")
    return content


def _gunzip(content: bytes, limit: int) -> bytes:
    pieces: list[bytes] = []
    left = limit
    while content:
        if len(pieces) == _MOST_MEMBERS:
            raise ValueError(f"broken gzip content: more than {_MOST_MEMBERS} members")
        inflater = zlib.decompressobj(wbits=31)
        try:
            piece = inflater.decompress(content, left + 1)
        except zlib.error as error:
            raise ValueError(f"broken gzip content: {error}") from error
        left -= len(piece)
        if left < 0:
            raise ContentTooLarge(f"the gzip content unpacks to more than {limit} bytes")
        if not inflater.eof:
            raise ValueError("broken gzip content: it ends too early")
        pieces.append(piece)
        content = inflater.unused_data
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _unlz4(content: bytes, limit: int) -> bytes:
    require("lz4")
    import lz4.block  # noqa: PLC0415 - an extra, loaded when asked for

    if len(content) < 4:
        raise ValueError("broken lz4 content: it has no size")
    size = int.from_bytes(content[:4], "little")
    if size > limit:
        raise ContentTooLarge(f"the lz4 content declares {size} bytes; the limit is {limit}")
    if size > len(content) * _LZ4_BEST_RATIO:
        raise ValueError(f"broken lz4 content: {len(content)} bytes cannot hold {size}")
    try:
        decoded: bytes = lz4.block.decompress(memoryview(content)[4:], uncompressed_size=size)
    except lz4.block.LZ4BlockError as error:
        raise ValueError(f"broken lz4 content: {error}") from error
    if len(decoded) != size:
        raise ValueError(f"broken lz4 content: {len(decoded)} bytes where {size} were announced")
    return decoded
