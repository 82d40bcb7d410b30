# Generated from src/storekit/qdb/_async/store.py by tools/generate_sync.py; do not edit.

"""The operations that are not one call for one entry: many entries, loads, documents, nodes."""

# ruff: noqa: ANN401 - a codec that is named gives anything

import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, NoReturn, overload

from storekit.codecs.base import Codec
from storekit.core.arguments import check_callable, named_without_class
from storekit.core.seam._sync import answer_in
from storekit.observers import Observer
from storekit.qdb._sync.many import ManyEntries
from storekit.qdb._sync.operations import EntryOperations
from storekit.qdb._typing import Alias, Data, Found, Items, Other, Value
from storekit.qdb.batches import ManyResult
from storekit.qdb.documents._sync.documents import Documents
from storekit.qdb.documents._sync.files import File, Pieces
from storekit.qdb.documents.manifest import SLICE_SIZE, DocumentInfo
from storekit.qdb.documents.progress import Progress
from storekit.qdb.engine import OperationKind, Session
from storekit.qdb.errors import ErrorCode, InvalidArgument, error_for
from storekit.qdb.methods import bound, operation_of
from storekit.qdb.times import Expiry
from storekit.qdb.values import BatchRequest, BatchResult, RemoteNode, parse_node

__all__ = ["Store"]

_CHUNK = 256  # entries of one call
_ABSENT = object()


@named_without_class
class Store(EntryOperations[Alias, Found, Data, Value]):
    """The operations on many entries, documents and nodes, each declared once."""

    @property
    def codec(self) -> Codec[Any]:
        """The codec of the values of this client."""
        return self._conversion.codec

    @property
    def observers(self) -> tuple[Observer, ...]:
        """Who is told of the calls of this client."""
        return self._calls.observers

    @property
    def clock(self) -> Callable[[], float]:
        """The time of day of this client, in seconds since the epoch."""
        return self._clock

    # Whether an entry is there

    def __contains__(self, alias: Alias) -> bool:
        try:
            return answer_in(self.exists, alias, "exists")
        except InvalidArgument:  # no entry can have such an alias
            return False

    def __len__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} has no len(): nodes don't count their entries; "
            "prefix_count counts those whose aliases start with a text"
        )

    def __bool__(self) -> bool:
        return True

    # Many entries

    @overload
    def get_many(self, aliases: Iterable[Alias]) -> dict[Alias, Value]: ...
    @overload
    def get_many(self, aliases: Iterable[Alias], *, codec: Codec[Other]) -> dict[Alias, Other]: ...
    @overload
    def get_many(self, aliases: Iterable[Alias], *, codec: str) -> dict[Alias, Any]: ...
    def get_many(
        self, aliases: Iterable[Alias], *, codec: Codec[Any] | str | None = None
    ) -> dict[Alias, Any]:
        """Return the contents of those of the entries that are there, by alias.

        They are fetched 256 at a time. Raises what `get` raises but for `AliasNotFound`, for
        the first entry that can't be had.
        """
        return self._many().get(aliases, codec)

    def put_many(
        self,
        entries: Items[Alias, Data] | Iterable[tuple[Alias, Data]],
        expiry_time: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> ManyResult[Alias]:
        """Store new entries, a mapping or pairs of alias and content; return what failed.

        They are stored in batches as they come, so an iterator may give any number. Entries
        that are there already fail with `AliasAlreadyExists`, and the rest is stored. What
        ends the whole is raised: that the cluster can't be reached, and `TypeError` for what
        has no form in the codec. What came before that is stored.
        """
        return self._many().store(OperationKind.BLOB_PUT, entries, expiry_time, codec)

    def update_many(
        self,
        entries: Items[Alias, Data] | Iterable[tuple[Alias, Data]],
        expiry_time: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> ManyResult[Alias]:
        """Store entries, new or not; see `put_many`."""
        return self._many().store(OperationKind.BLOB_UPDATE, entries, expiry_time, codec)

    def remove_many(self, aliases: Iterable[Alias]) -> ManyResult[Alias]:
        """Remove entries of any type; return what failed, as `put_many` does.

        Those that are not there fail with `AliasNotFound`.
        """
        return self._many().remove(aliases)

    # Requests of any kind in one call

    @overload
    def run_batch(
        self, requests: Iterable[BatchRequest]
    ) -> tuple[int, list[BatchResult[Value]]]: ...
    @overload
    def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Other]
    ) -> tuple[int, list[BatchResult[Other]]]: ...
    @overload
    def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: str
    ) -> tuple[int, list[BatchResult[Any]]]: ...
    def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Any] | str | None = None
    ) -> tuple[int, list[BatchResult[Any]]]:
        """Run all requests, each for itself; return how many were successful, and the results.

        The order in which they run is undefined. If the store finds one malformed, that has
        its error, all others `ErrorCode.SKIPPED`, and nothing was done. `get_remove` and
        `remove_if` have no place in the batches of today's clusters: the engine makes
        separate calls of them. Content that the codec can't read is the failure of its
        request alone.

        Raises `TypeError` and `ValueError`, before anything is sent, for what is no request,
        or has no form in the codec.
        """
        return self._many().run_batch(requests, codec)

    @overload
    def run_transaction(self, requests: Iterable[BatchRequest]) -> list[BatchResult[Value]]: ...
    @overload
    def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Other]
    ) -> list[BatchResult[Other]]: ...
    @overload
    def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: str
    ) -> list[BatchResult[Any]]: ...
    def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Any] | str | None = None
    ) -> list[BatchResult[Any]]:
        """Run all requests in order, or none of them; return the results.

        Raises the error of the request that failed, with its alias: nothing was changed
        then. `Conflict` means that another writer was first. `get_remove` and `remove_if`
        can't be part of a transaction: `ValueError`. Content that the codec can't read is
        not an error of the transaction: it is done, and the result has the failure.
        """
        return self._many().run_transaction(requests, codec)

    def _many(self) -> ManyEntries:
        return ManyEntries(self._calls, self._conversion, self._clock)

    def aliases(self, prefix: str = "") -> Iterator[Found]:
        """Iterate over the aliases that start with a text, without the contents.

        With a prefix, entries of all types are listed by one call, in the order of their
        bytes. Without one, this goes through the whole store as iteration over the client does:
        in no order, and over blobs alone. End it early by its method `close`.
        """
        if prefix:
            for alias in self.prefix_get(prefix):
                yield alias
            return
        cursor = self._calls.open_cursor()
        try:
            number, over = 0, False
            while not over:
                number += 1
                entries, over = self._calls.fetch(cursor, number, _CHUNK)
                for text, _ in entries:
                    yield self._conversion.found(text)
        finally:
            self._calls.close_later(cursor)

    # Loads

    def get_or_load(
        self,
        alias: Alias,
        load: Callable[[], Data],
        expiry: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> Value:
        """Return the content of an entry; if it is not there, what `load()` gives, and store that.

        Callers of this client that miss an entry at the same time share one load: its result,
        the very object, or its error. If the first of them is cancelled, the next one loads.
        Of an error, nothing is stored. Others who write the entry meanwhile are overwritten.

        Args:
            alias: The entry.
            load: Gives the content that belongs there.
            expiry: When a content that was loaded expires; see `Expiry`.
            codec: That of this call.

        Raises:
            CircularCall: `load` waits for this very entry to be loaded, itself or by way of
                other loads.
            Exception: What `load` raises, and the errors of `get` and `update`.

        """
        check_callable("load", load)
        chosen = self._conversion.chosen(codec)
        found: Any = self.get(alias, codec=chosen, default=_ABSENT)
        if found is not _ABSENT:
            return found  # type: ignore[no-any-return]
        text = self._conversion.alias("get_or_load", alias, writes=True)

        def load_and_store() -> Any:
            # Whoever loaded it a moment ago has stored it by now.
            there = self.get(alias, codec=chosen, default=_ABSENT)
            if there is not _ABSENT:
                return there
            loaded = load()
            self._store(Session.blob_update, alias, loaded, expiry, codec)
            return loaded

        return self._loads.run(text, load_and_store)  # type: ignore[no-any-return]

    # Documents: files of any size, stored in slices that are checked by their digests

    @overload
    def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | File | Pieces",
        key: uuid.UUID | None = None,
        *,
        slice_size: int = SLICE_SIZE,
        in_flight: int | None = None,
        resume: bool = False,
        expiry_time: Expiry = None,
        progress: Progress | None = None,
    ) -> uuid.UUID: ...
    @overload
    def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | File | Pieces",
        key: uuid.UUID | str | None,
        *,
        slice_size: int = SLICE_SIZE,
        in_flight: int | None = None,
        resume: bool = False,
        expiry_time: Expiry = None,
        progress: Progress | None = None,
    ) -> uuid.UUID | str: ...
    def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | File | Pieces",
        key: uuid.UUID | str | None = None,
        *,
        slice_size: int = SLICE_SIZE,
        in_flight: int | None = None,
        resume: bool = False,
        expiry_time: Expiry = None,
        progress: Progress | None = None,
    ) -> uuid.UUID | str:
        """Store a document and return its key.

        Until the last slice is there, a download of the key raises `DocumentIncomplete`. An
        upload that was cancelled or has failed can be resumed, if it was given a key; of
        one that was not, nothing stays in the store, or the error has a note with the key.
        After cancelling, a thread may go on reading a file for as long as one slice takes.

        One upload or removal at a time holds a document. Only the one that holds it makes it
        whole: the manifest is written in one transaction with the lock that says so. Slices
        are in no transaction: whoever is taken over finds out before its next `in_flight`
        slices, and those on their way may still arrive. If they replace slices of other
        content, a download raises `DocumentDamaged`; remove the document and upload it again.

        Args:
            file: A path, an open binary file, or an iterable of pieces.
            key: A UUID, or any text as the name of the document; text that is a UUID is
                that UUID. A new UUID by default. A document that has it already is replaced.
            slice_size: Bytes of a slice. To resume, it must be what it was.
            in_flight: How many slices are on their way at the same time. By default 2, and 1
                for an embedded store, which gains nothing by more.
            resume: Take over from an earlier upload to this key that was broken off, or is
                still under way and fails then; and leave out slices that it has noted as
                stored, if slices have 2 KiB or more. The file is read, and compared, from
                its start all the same. A whole document is replaced as a whole.
            expiry_time: When the document expires; None for never.
            progress: Called with the bytes that are stored, and of how many, None if that
                is not known; at the end with the size twice. `storekit.qdb.bar` draws a
                progress bar.

        Raises:
            DocumentConflict: An upload or removal of the document is under way or was broken
                off, and this is not to resume; or another one took over.
            TypeError, ValueError: A wrong argument; nothing is stored.
            OSError: The file can't be read.

        """
        return self._documents().upload(
            file,
            key,
            slice_size=slice_size,
            in_flight=in_flight,
            resume=resume,
            expiry_time=expiry_time,
            progress=progress,
        )

    def download(
        self,
        key: uuid.UUID | str,
        file: "str | os.PathLike[str] | BinaryIO | File",
        *,
        in_flight: int | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> DocumentInfo:
        """Write a document to a file, each slice checked before, and return what it is.

        A file that is named by its path comes into being at the end, whole and durable;
        what is there before that has a name that ends in ".part". A file that it replaces
        gives it its mode, and its owner where that is allowed. Links are followed; a file
        that has several names, and what is no regular file, is written to. To an open file,
        and to what is no regular file, slices are
        written as they come; after cancelling, a thread may go on writing the last of them.
        Documents in the slices of the 1.x client's documentation have nothing to be checked
        by, and end with the first slice that is missing.

        Args:
            key: What `upload` returned.
            file: A path, or a file that is open for writing bytes.
            in_flight: How many slices are on their way at the same time. By default 2, and 1
                for an embedded store, which gains nothing by more.
            resume: Keep what there is if this breaks off, in a file with ".part" after its
                name, and go on with such a file as far as its content is right. One
                download at a time can do so.
            progress: Called with the bytes that are written, and of how many, None if that
                is not known; at the end with the size twice. As for `upload`.

        Raises:
            AliasNotFound: There is no such document, or none any more.
            DocumentIncomplete: An upload or removal has begun and has not ended, or has
                replaced the document meanwhile.
            DocumentDamaged: A slice is missing or not what was uploaded.
            OSError: The file can't be written, or another download is writing it.

        """
        return self._documents().download(
            key, file, in_flight=in_flight, resume=resume, progress=progress
        )

    def document_info(self, key: uuid.UUID | str) -> DocumentInfo:
        """Return what is known about a document without reading it.

        Of one without a manifest, slices are counted and their sizes added up. Raises
        `AliasNotFound`, `DocumentIncomplete`, and `DocumentDamaged` for a manifest that
        can't be read.
        """
        return self._documents().document_info(key)

    def documents(self, prefix: str = "") -> Iterator[DocumentInfo]:
        """Find the whole documents whose names begin with a text, sorted by their names.

        The name of a document that has a UUID is the text of that. Documents in the slices
        of the 1.x client's documentation are not found. They are read as they are iterated
        over, some hundred at a time. Raises `TypeError` if `prefix` is no text.
        """
        return self._documents().documents(prefix)

    def remove_document(self, key: uuid.UUID | str) -> None:
        """Remove a document, whole or not, with all its slices.

        It takes over from an upload that is under way, which fails then; see `upload` for
        what may still arrive. A removal that was broken off can be repeated.

        Raises:
            AliasNotFound: There is no such document.
            DocumentConflict: Another upload or removal took over.

        """
        self._documents().remove_document(key)

    def _documents(self) -> Documents:
        return Documents(self._calls, self._clock)

    # Nodes of the cluster

    def node_status(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the status of a node."""
        return self._ask(Session.node_status, remote_node)

    def node_config(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the configuration of a node."""
        return self._ask(Session.node_config, remote_node)

    def node_topology(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the topology as a node sees it."""
        return self._ask(Session.node_topology, remote_node)

    def stop_node(self, remote_node: RemoteNode | str, reason: str) -> None:
        """Stop a node, which others then have to do without.

        Clusters refuse unless configured to do it: `OperationDisabled`.
        """
        method, node = Session.node_stop, _authority(remote_node)
        if not isinstance(reason, str):
            raise TypeError(f"reason must be text, not {type(reason).__name__}")
        self._calls.call(operation_of(method), None, bound(method, node, reason), node=node)

    def _ask(
        self, method: Callable[[Session, str], bytes], remote_node: RemoteNode | str
    ) -> dict[str, Any]:
        """Return what a node tells of itself."""
        node = _authority(remote_node)
        call = bound(method, node)
        answer = self._calls.call(operation_of(method), None, call, reads=True, node=node)
        return _parsed(answer)


def _authority(remote_node: object) -> str:
    if isinstance(remote_node, RemoteNode):
        return remote_node.authority
    if isinstance(remote_node, str):
        return parse_node(remote_node).authority
    raise TypeError(
        f'a node is a RemoteNode or text such as "host:2836", not {type(remote_node).__name__}'
    )


def _parsed(answer: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(bytes(answer).rstrip(b"\0"))
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise error_for(ErrorCode.INVALID_REPLY, "The node's description of itself is no JSON.")
    return parsed
