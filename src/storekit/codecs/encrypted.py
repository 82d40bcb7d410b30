"""Encryption around another codec."""

import os
from collections.abc import Iterable
from typing import TypeVar

from storekit._extras import require
from storekit.codecs.base import Codec
from storekit.codecs.keys import ID_SIZE, Keys
from storekit.codecs.wrapping import Wrapper

__all__ = ["Encrypted"]

T = TypeVar("T")

_VERSION = b"\x01"
_NONCE = 1 + ID_SIZE
_CONTENT = _NONCE + 12
_TAG_SIZE = 16


class Encrypted(Wrapper[T]):
    """Encrypts what another codec encodes with AES-GCM: `Encrypted(Json(), keys=[new, old])`.

    The first key encrypts, and any of them decrypts: to change keys, put the new one first,
    and remove the old one when no content encrypted with it is left. The name of the codec is
    authenticated, so content can't be passed to another codec. The key under which a value is
    stored is not: **anyone who can write to the store can swap encrypted values, or restore old
    ones**. Nonces are random: change the key before it has encrypted 2**32 values.
    The length of a value is visible. Compress inside, as in `Encrypted(Zstd(Json()), keys=key)`,
    only if no attacker can both choose a part of a value and see its size.
    """

    _suffix = "encrypted"

    def __init__(self, inner: Codec[T], *, keys: bytes | Iterable[bytes]) -> None:
        """Make a codec. `keys` are secret and random, of 16 (AES-128) or 32 bytes (AES-256)."""
        super().__init__(inner)
        self.deterministic = False
        require("the codec encrypted", "crypto", "cryptography")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._keys = Keys(keys)
        if any(len(key) not in (16, 32) for key in self._keys):
            raise ValueError("a key for encryption must have 16 or 32 bytes")
        self._ciphers = {key: AESGCM(key) for key in self._keys}
        self._newest = self._ciphers[self._keys.newest]
        self._head = _VERSION + self._keys.newest_id
        self._context = b"storekit encrypted 1\0" + self.name.encode()

    def _pack(self, content: bytes) -> bytes:
        nonce = os.urandom(12)
        return b"".join((self._head, nonce, self._newest.encrypt(nonce, content, self._context)))

    def _unpack(self, data: bytes | memoryview) -> bytes:
        from cryptography.exceptions import InvalidTag

        view = memoryview(data)
        if len(view) < _CONTENT + _TAG_SIZE or view[:1] != _VERSION:
            raise self._error("the content is not encrypted")
        keys = self._keys.find(bytes(view[1:_NONCE]))
        if not keys:
            raise self._error("the content is encrypted with a key that is not in keys")
        nonce, sealed = bytes(view[_NONCE:_CONTENT]), view[_CONTENT:]
        failure: Exception | None = None
        for key in keys:
            try:
                return self._ciphers[key].decrypt(nonce, sealed, self._context)
            except InvalidTag as error:
                failure = error
        raise self._error("the content was changed, or is of another codec") from failure

    def __repr__(self) -> str:
        return f"Encrypted({self._inner!r}, keys={self._keys!r})"
