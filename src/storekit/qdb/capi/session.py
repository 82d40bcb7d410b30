"""The session with a cluster: the protocol `storekit.qdb.engine.Session` over the C library."""

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
    """Requests to one node of the cluster; replies are JSON."""

    def node_status(self, node: str) -> bytes:
        """Return the status of the node."""
        return self._json(self._lib.qdb_node_status, node)

    def node_config(self, node: str) -> bytes:
        """Return the configuration of the node."""
        return self._json(self._lib.qdb_node_config, node)

    def node_topology(self, node: str) -> bytes:
        """Return the topology according to the node."""
        return self._json(self._lib.qdb_node_topology, node)

    def node_stop(self, node: str, reason: str) -> None:
        """Stop the node; clusters refuse this unless they are configured to permit it."""
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
            # Some versions append a NUL, which is not valid JSON.
            return self._handle.take_bytes(out, self._size[0]).rstrip(b"\0")


class CapiSession(
    Blobs, JoinedCalls, Numbers, Texts, Timestamps, Entries, Finding, Scanning, Tags, Batches, Nodes
):
    """A connection to a cluster through the C library. One thread at a time may use it.

    Calls of a second thread, or in a forked child, raise `OwnerMismatch`; all calls after
    `close` raise `ClientClosed`. Content of 64 KiB and more is a read-only `memoryview` of the
    library's own buffer, which is released when the last view of it is freed.
    """

    def is_free(self) -> bool:
        """Return True: no other thread may be in a call of the session."""
        return True

    def walk_entries(self, cursor: object, count: int) -> NoReturn:  # noqa: ARG002 - of the protocol
        """Raise `NOT_IMPLEMENTED`: the iterator of the library returns only blobs."""
        detail = "A cluster can't iterate over entries of all types."
        raise error_for(ErrorCode.NOT_IMPLEMENTED, detail)

    def read_entries(
        self,
        aliases: Sequence[str],
        contents: Sequence[Buffer] | None = None,
        tags: bool = True,
        types: Sequence[EntryType] | None = None,
    ) -> list[WholeEntry | None]:
        """Return entries of any type, None for missing ones. Makes several calls for each."""
        return read_whole(self, aliases, contents, tags, types)

    @property
    def closed(self) -> bool:
        """Whether the session was closed, and all views of its buffers are freed."""
        return self._handle.closed

    def close(self) -> None:
        """Close the session, now or when a running call has ended and all views are freed."""
        self._handle.close()


def _node(node: str) -> bytes:
    raw = as_text(node, "node")
    if not raw:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "The node is empty.")
    return raw if raw.startswith(b"qdb://") else b"qdb://" + raw
