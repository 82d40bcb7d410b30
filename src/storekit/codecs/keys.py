"""Secret keys, the newest first, and the short ids by which stored content refers to them."""

import hmac
from collections.abc import Iterable, Iterator
from typing import NoReturn

__all__ = ["ID_SIZE", "Keys"]

ID_SIZE = 4


class Keys:
    """Keys by their ids. An id is derived from its key and does not reveal it."""

    __slots__ = ("_by_id", "newest", "newest_id")

    def __init__(self, keys: bytes | Iterable[bytes]) -> None:
        given = [keys] if isinstance(keys, bytes) else list(keys)
        # The messages must not show the keys.
        if not all(isinstance(key, bytes) for key in given):
            raise TypeError("keys must be bytes, e.g. keys=[new, old]")
        if not given:
            raise ValueError("keys must have at least one key")
        self._by_id: dict[bytes, list[bytes]] = {}
        for key in given:
            self._by_id.setdefault(_id_of(key), []).append(key)
        self.newest: bytes = given[0]
        self.newest_id: bytes = _id_of(given[0])

    def find(self, identifier: bytes) -> list[bytes]:
        """Return the keys with this id: usually one or none, more only by coincidence."""
        return self._by_id.get(identifier, [])

    def __iter__(self) -> Iterator[bytes]:
        return (key for keys in self._by_id.values() for key in keys)

    def __len__(self) -> int:
        return sum(map(len, self._by_id.values()))

    def __repr__(self) -> str:
        return f"<{len(self)} secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("codecs with secret keys can't be pickled")


def _id_of(key: bytes) -> bytes:
    return hmac.digest(key, b"storekit key id", "sha256")[:ID_SIZE]
