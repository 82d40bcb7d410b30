"""Signatures around another codec: only content signed with a known key is decoded."""

import hmac
from collections.abc import Iterable
from typing import TypeVar

from storekit.codecs.base import Codec
from storekit.codecs.keys import ID_SIZE, Keys
from storekit.codecs.wrapping import Wrapper

__all__ = ["Signed"]

T = TypeVar("T")

_VERSION = b"\x01"
_SIGNATURE = 1 + ID_SIZE
_CONTENT = _SIGNATURE + 32


class Signed(Wrapper[T]):
    """Signs what another codec encodes with HMAC-SHA256: `Signed(Pickle(), keys=[new, old])`.

    The first key signs, and any of them verifies: to change keys, put the new one first, and
    remove the old one when no content signed with it is left. The signature covers the name of the
    codec, so content can't be passed to another codec. It does not cover the key under which a
    value is stored: **anyone who can write to the store can swap signed values, or restore old
    ones**.
    """

    _suffix = "signed"

    def __init__(self, inner: Codec[T], *, keys: bytes | Iterable[bytes]) -> None:
        """Make a codec. `keys` are secret and have at least 16 bytes each."""
        super().__init__(inner)
        self._keys = Keys(keys)
        if any(len(key) < 16 for key in self._keys):
            raise ValueError("a key for signatures must have at least 16 bytes")
        # Names can't contain NUL, so no other name and content give the same signed bytes.
        self._prefix = b"storekit signed 1\0" + self.name.encode() + b"\0"

    def _pack(self, content: bytes) -> bytes:
        signature = self._sign(self._keys.newest, content)
        return b"".join((_VERSION, self._keys.newest_id, signature, content))

    def _unpack(self, data: bytes | memoryview) -> memoryview:
        view = memoryview(data)
        if len(view) < _CONTENT or view[:1] != _VERSION:
            raise self._error("the content is not signed")
        keys = self._keys.find(bytes(view[1:_SIGNATURE]))
        if not keys:
            raise self._error("the content is signed with a key that is not in keys")
        signature, content = bytes(view[_SIGNATURE:_CONTENT]), view[_CONTENT:]
        if not any(hmac.compare_digest(self._sign(key, content), signature) for key in keys):
            raise self._error("the signature does not match: the content was changed")
        return content

    def _sign(self, key: bytes, content: bytes | memoryview) -> bytes:
        signing = hmac.new(key, self._prefix, "sha256")
        signing.update(content)
        return signing.digest()

    def __repr__(self) -> str:
        return f"Signed({self._inner!r}, keys={self._keys!r})"
