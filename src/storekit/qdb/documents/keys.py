"""Keys of documents, and the aliases of their entries.

The key of a document is a UUID, or any text as its name. Slice number n is the entry
`HEX` + `str(n)`, where HEX is that of the UUID, as in the documentation of the 1.x client, so that
both can read each other's documents; for a name, HEX is a part of the digest of the name.
Listings use separate entries, whose aliases contain the names.
"""

import hashlib
import re
import uuid
from dataclasses import dataclass

from storekit.codecs.plain import as_text

__all__ = ["DocumentKey", "as_key", "index_prefix"]

_INDEX = "storekit/documents/"

_LONGEST = 900
"""Bytes of a name that an alias contains, which itself may have 1024."""

_UUID = re.compile(
    r"(?:urn:uuid:)?\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?"
    r"|[0-9a-f]{32}",
    re.ASCII | re.IGNORECASE,
)
_NOT_IN_ALIASES = re.compile("[%\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """The key of a document, and the text that its aliases start with."""

    value: uuid.UUID | str
    hex: str

    @property
    def name(self) -> str | None:
        """The name; None for a document with a UUID."""
        return self.value if isinstance(self.value, str) else None

    @property
    def manifest(self) -> str:
        """The alias of the manifest."""
        return f"{self.hex}.json"

    @property
    def lock(self) -> str:
        """The alias of the lock record."""
        return f"{self.hex}.part"

    @property
    def slice_list(self) -> str:
        """The alias of the digests of the slices that an upload has stored so far."""
        return f"{self.hex}.sha256"

    @property
    def index(self) -> str:
        """The alias of the entry for listings."""
        whole = _escaped(str(self.value))
        start = _cut(whole)
        return f"{_INDEX}{start}" if start == whole else f"{_INDEX}{start}%~{self.hex}"

    def slice(self, number: int) -> str:
        """Return the alias of one slice."""
        return f"{self.hex}{number}"

    def __str__(self) -> str:
        if isinstance(self.value, uuid.UUID):
            return str(self.value)
        shown = self.value if len(self.value) <= 100 else f"{self.value[:100]}..."
        return ascii(shown)


def as_key(key: object) -> DocumentKey:
    """Return the key of a document. Text that is a UUID in a common notation is that UUID.

    Raises `TypeError` if it is neither text nor a UUID, `ValueError` for empty text.
    """
    if isinstance(key, str):
        text = as_text(key)
        if not _UUID.fullmatch(text):
            if not text:
                raise ValueError("the key of a document has at least one character")
            digest = hashlib.sha256(b"storekit document " + text.encode("utf-8", "surrogatepass"))
            return DocumentKey(text, digest.hexdigest()[:32])
        key = uuid.UUID(text)
    if isinstance(key, uuid.UUID):
        return DocumentKey(key, key.hex)
    raise TypeError(f"the key of a document is text or a UUID, not {type(key).__name__}")


def index_prefix(prefix: str) -> str:
    """Return the start of the listing aliases of all documents whose names start with a text."""
    return _INDEX + _cut(_escaped(prefix))


def _escaped(name: str) -> str:
    return _NOT_IN_ALIASES.sub(lambda found: f"%{ord(found[0]):04x}", name)


def _cut(escaped: str) -> str:
    return escaped.encode()[:_LONGEST].decode("utf-8", "ignore")
