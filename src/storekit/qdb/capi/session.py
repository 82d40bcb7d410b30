"""The session: what `storekit.qdb.engine.Session` asks for, by calls of the C library."""

from collections.abc import Callable, Sequence
from typing import NoReturn

from storekit.qdb.capi.arguments import as_text
from storekit.qdb.capi.batches import Batches
from storekit.qdb.capi.calls import Calls
from storekit.qdb.capi.entries import Blobs, Entries, Numbers
from storekit.qdb.capi.finding import Finding, Scanning, Tags
from storekit.qdb.capi.joined import JoinedCalls
from storekit.qdb.capi.typed import Texts, Timestamps
from storekit.qdb.engine import Buffer, EntryType, WholeEntry
from storekit.qdb.errors import ErrorCode, error_for
from storekit.qdb.whole import read_whole

__all__ = ["CapiSession"]


class Nodes(Calls):
    """Questions to one node of the cluster; answers are JSON."""

    def node_status(self, node: str) -> bytes:
        """Return how the node is doing."""
        return self._json(self._lib.qdb_node_status, node)

    def node_config(self, node: str) -> bytes:
        """Return how the node is configured."""
        return self._json(self._lib.qdb_node_config, node)

    def node_topology(self, node: str) -> bytes:
        """Return the node and its neighbours."""
        return self._json(self._lib.qdb_node_topology, node)

    def node_stop(self, node: str, reason: str) -> None:
        """Stop the node; clusters refuse that unless they are configured for it."""
        raw = as_text(reason, "reason")
        if not raw:
            raise error_for(ErrorCode.INVALID_ARGUMENT, "The reason is empty.")
        self._do(self._lib.qdb_node_stop, _node(node), raw)

    def _json(self, call: Callable[..., int], node: str) -> bytes:
        out = self._ffi.new("const char **")
        raw = _node(node)
        with self._handle as pointer:
            code = call(pointer, raw, out, self._size)
            if code:
                self._handle.drop(out)
                raise self._handle.failure(code)
            # A parser may not like the NUL that some versions count in.
            return self._handle.take_bytes(out, self._size[0]).rstrip(b"\0")


class CapiSession(
    Blobs, JoinedCalls, Numbers, Texts, Timestamps, Entries, Finding, Scanning, Tags, Batches, Nodes
):
    """A connection to a cluster through the C library. One thread at a time may use it.

    A second thread gets `OwnerMismatch`, as does a forked child; after `close` all calls
    raise `ClientClosed`. Content of 64 kB and more is a read-only `memoryview` on the
    library's own buffer, which goes back to the library when the last view of it dies.
    """

    def is_free(self) -> bool:
        """Yes: no thread but the one that it belongs to calls a session."""
        return True

    def walk_entries(self, cursor: object, count: int) -> NoReturn:  # noqa: ARG002 - of the protocol
        """Raise `NOT_IMPLEMENTED`: the library lists blobs one by one, and all others at once."""
        raise error_for(ErrorCode.NOT_IMPLEMENTED, "A cluster lists no entries of all types.")

    def read_entries(
        self,
        aliases: Sequence[str],
        contents: Sequence[Buffer] | None = None,
        tags: bool = True,
        types: Sequence[EntryType] | None = None,
    ) -> list[WholeEntry | None]:
        """Return entries of any type, None for those that are not there. Several calls for each."""
        return read_whole(self, aliases, contents, tags, types)

    @property
    def closed(self) -> bool:
        """Whether nothing is left of the session: it was closed, and all views are gone."""
        return self._handle.closed

    def close(self) -> None:
        """Close; the last view or a call still under way puts it off to its own end."""
        self._handle.close()


def _node(node: str) -> bytes:
    raw = as_text(node, "node")
    if not raw:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "The node is empty.")
    return raw if raw.startswith(b"qdb://") else b"qdb://" + raw
