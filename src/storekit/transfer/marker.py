"""What says in a store that it is not whole, for as long as a copy or restore into it lasts.

It is an entry, since nothing else is there for all who open the store, and it goes when the
transfer has ended and was verified. It is neither copied nor dumped. Beyond that there is no state:
what is in the target, compared with the source, says what there is left to do.
"""

import json
import re
import uuid
from dataclasses import dataclass

__all__ = ["MARKER", "Marker", "closes_document", "unfinished"]

MARKER = "storekit/transfer"
"""The alias. Names with a slash after "storekit" are storekit's own, as those of documents are."""

_MANIFEST = re.compile(r"[0-9a-f]{32}\.json")
_FIRST_SLICE = re.compile(r"[0-9a-f]{32}0")
_MANIFEST_SIZE, _FIRST_SLICE_SIZE = 37, 33
_LISTED = "storekit/documents/"


@dataclass(frozen=True, slots=True)
class Marker:
    """A transfer into a store: what it is, where the entries come from, and when it began."""

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
    """Return what a marker in a store says, for a message. Whoever wrote it may have lied."""
    try:
        fields = json.loads(bytes(content[:4096]))
        operation, source = fields["operation"], fields["source"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "a transfer"
    named = operation if operation in ("copy", "restore") else "transfer"
    return f"a {named} from {str(source)[:200]!r}"


def closes_document(alias: str) -> int:
    """Return whether an entry, by its alias, is what makes a document look whole.

    Those come last: a document whose slices are not all there must not have them. 1 stands for
    what may be a first slice, without which none of the others count; 2 for a manifest, or what
    is shown in a listing, which comes after those; 0 for any other entry.
    """
    size = len(alias)  # which is quicker to ask, and tells most
    if (size == _MANIFEST_SIZE and _MANIFEST.fullmatch(alias)) or alias.startswith(_LISTED):
        return 2
    return 1 if size == _FIRST_SLICE_SIZE and _FIRST_SLICE.fullmatch(alias) else 0
