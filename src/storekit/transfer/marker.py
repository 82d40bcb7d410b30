"""The marker of an incomplete store, while a copy or restore into it runs.

It is an entry, so that all clients of the store see it, and is removed when the transfer was
verified. It is neither copied nor dumped. There is no other state: what is left to do follows from
a comparison of target and source.
"""

import json
import re
import uuid
from dataclasses import dataclass

__all__ = ["MARKER", "Marker", "closes_document", "unfinished"]

MARKER = "storekit/transfer"
"""Its alias. Aliases that begin with "storekit/" are reserved, as those of documents are."""

_MANIFEST = re.compile(r"[0-9a-f]{32}\.json")
_FIRST_SLICE = re.compile(r"[0-9a-f]{32}0")
_MANIFEST_SIZE, _FIRST_SLICE_SIZE = 37, 33
_LISTED = "storekit/documents/"


@dataclass(frozen=True, slots=True)
class Marker:
    """A transfer into a store: its operation, source, and start."""

    operation: str
    source: str
    started: int  # ms since the epoch
    id: str

    @classmethod
    def make(cls, operation: str, source: str, now: float) -> "Marker":
        """Return a marker of a new transfer."""
        return cls(operation, source, round(now * 1000), uuid.uuid4().hex)

    def dump(self) -> bytes:
        """Return the content of the entry."""
        fields = {
            "operation": self.operation,
            "source": self.source,
            "started": self.started,
            "id": self.id,
        }
        return json.dumps(fields).encode()


def unfinished(content: bytes | memoryview) -> str:
    """Describe the transfer of a marker, for a message. The content is untrusted."""
    try:
        fields = json.loads(bytes(content[:4096]))
        operation, source = fields["operation"], fields["source"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "a transfer"
    named = operation if operation in ("copy", "restore") else "transfer"
    return f"a {named} from {str(source)[:200]!r}"


def closes_document(alias: str) -> int:
    """Return whether an entry makes a document look complete, by its alias.

    Such entries are written last, after all slices of the document. Returns 1 for a possible first
    slice, without which the others are ignored; 2 for a manifest or an entry of a listing, which
    are written after those; 0 for other entries.
    """
    size = len(alias)  # a fast check that decides for most aliases
    if (size == _MANIFEST_SIZE and _MANIFEST.fullmatch(alias)) or alias.startswith(_LISTED):
        return 2
    return 1 if size == _FIRST_SLICE_SIZE and _FIRST_SLICE.fullmatch(alias) else 0
