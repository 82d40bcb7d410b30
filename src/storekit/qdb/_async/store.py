"""The operations on many entries, loads, documents and nodes."""

# ruff: noqa: ANN401 - the type of a codec that is given by name is unknown

import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, BinaryIO, NoReturn, overload

from storekit.codecs.base import Codec
from storekit.core.arguments import check_callable, named_without_class
from storekit.core.seam._async import answer_in
from storekit.observers import Observer
from storekit.qdb._async.many import AsyncManyEntries
from storekit.qdb._async.operations import AsyncEntryOperations
from storekit.qdb._typing import Alias, Data, Found, Items, Other, Value
from storekit.qdb.batches import ManyResult
from storekit.qdb.documents._async.documents import AsyncDocuments
from storekit.qdb.documents._async.files import AsyncFile, AsyncPieces
from storekit.qdb.documents.manifest import SLICE_SIZE, DocumentInfo
from storekit.qdb.documents.progress import Progress
from storekit.qdb.engine import OperationKind, Session
from storekit.qdb.errors import ErrorCode, InvalidArgument, error_for
from storekit.qdb.methods import bound, operation_of
from storekit.qdb.times import Expiry
from storekit.qdb.values import BatchRequest, BatchResult, RemoteNode, parse_node

__all__ = ["AsyncStore"]

_CHUNK = 256  # entries in one call
_ABSENT = object()


@named_without_class
class AsyncStore(AsyncEntryOperations[Alias, Found, Data, Value]):
    """The operations on many entries, documents and nodes."""

    @property
    def codec(self) -> Codec[Any]:
        """The codec of the values of this client."""
        return self._conversion.codec

    @property
    def observers(self) -> tuple[Observer, ...]:
        """The observers of the calls of this client."""
        return self._calls.observers

    @property
    def clock(self) -> Callable[[], float]:
        """The clock of this client, which returns the time in seconds since the epoch."""
        return self._clock

    # Existence

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
    async def get_many(self, aliases: Iterable[Alias]) -> dict[Alias, Value]: ...
    @overload
    async def get_many(
        self, aliases: Iterable[Alias], *, codec: Codec[Other]
    ) -> dict[Alias, Other]: ...
    @overload
    async def get_many(self, aliases: Iterable[Alias], *, codec: str) -> dict[Alias, Any]: ...
    async def get_many(
        self, aliases: Iterable[Alias], *, codec: Codec[Any] | str | None = None
    ) -> dict[Alias, Any]:
        """Return the contents of the entries that exist, by alias.

        They are fetched 256 at a time. For the first entry that can't be read, this raises
        what `get` would raise; missing entries are left out.
        """
        return await self._many().get(aliases, codec)

    async def put_many(
        self,
        entries: Items[Alias, Data] | Iterable[tuple[Alias, Data]],
        expiry_time: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> ManyResult[Alias]:
        """Store new entries, a mapping or pairs of alias and content; return what failed.

        They are stored in batches as they come, so an iterator may be of any length. Entries
        that exist fail with `AliasAlreadyExists`, and the others are stored. Errors that end
        the call are raised: `ConnectionFailed`, and `TypeError` for a value that the codec
        can't encode. Batches before the error, or before a cancellation, are stored.
        """
        return await self._many().store(OperationKind.BLOB_PUT, entries, expiry_time, codec)

    async def update_many(
        self,
        entries: Items[Alias, Data] | Iterable[tuple[Alias, Data]],
        expiry_time: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> ManyResult[Alias]:
        """Store entries, new or not; see `put_many`."""
        return await self._many().store(OperationKind.BLOB_UPDATE, entries, expiry_time, codec)

    async def remove_many(self, aliases: Iterable[Alias]) -> ManyResult[Alias]:
        """Remove entries of any type; return what failed, as `put_many` does.

        Missing ones fail with `AliasNotFound`.
        """
        return await self._many().remove(aliases)

    # Requests of any kind in one call

    @overload
    async def run_batch(
        self, requests: Iterable[BatchRequest]
    ) -> tuple[int, list[BatchResult[Value]]]: ...
    @overload
    async def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Other]
    ) -> tuple[int, list[BatchResult[Other]]]: ...
    @overload
    async def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: str
    ) -> tuple[int, list[BatchResult[Any]]]: ...
    async def run_batch(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Any] | str | None = None
    ) -> tuple[int, list[BatchResult[Any]]]:
        """Run requests independently; return how many were successful, and the results.

        They run in no particular order. If the alias or expiry of one is malformed, its result
        has that error, all others have `ErrorCode.SKIPPED`, and nothing was done. Batches of
        current clusters don't support `get_remove` and `remove_if`, which are made as separate
        calls. Content that the codec can't decode only sets the `failure` of its result.

        Raises `TypeError` and `ValueError`, before anything is sent, for a malformed request,
        or a value that the codec can't encode.
        """
        return await self._many().run_batch(requests, codec)

    @overload
    async def run_transaction(
        self, requests: Iterable[BatchRequest]
    ) -> list[BatchResult[Value]]: ...
    @overload
    async def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Other]
    ) -> list[BatchResult[Other]]: ...
    @overload
    async def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: str
    ) -> list[BatchResult[Any]]: ...
    async def run_transaction(
        self, requests: Iterable[BatchRequest], *, codec: Codec[Any] | str | None = None
    ) -> list[BatchResult[Any]]:
        """Run all requests in order, or none of them; return the results.

        Raises the error of the request that failed, with its alias; nothing was changed then.
        `Conflict` means that another client was writing one of the entries. Raises `ValueError`
        for `get_remove` and `remove_if`, which transactions don't support. Content that the
        codec can't decode does not undo the transaction: it sets the `failure` of its result.
        """
        return await self._many().run_transaction(requests, codec)

    def _many(self) -> AsyncManyEntries:
        return AsyncManyEntries(self._calls, self._conversion, self._clock)

    async def aliases(self, prefix: str = "") -> AsyncIterator[Found]:
        """Iterate over the aliases that start with a text, without the contents.

        With a prefix, entries of all types are listed by one call, in the order of their
        bytes. Without one, this goes through the whole store as iteration over the client does:
        in no particular order, and over blobs only. To end it early, call its `aclose`.
        """
        if prefix:
            for alias in await self.prefix_get(prefix):
                yield alias
            return
        cursor = await self._calls.open_cursor()
        try:
            number, over = 0, False
            while not over:
                number += 1
                entries, over = await self._calls.fetch(cursor, number, _CHUNK)
                for text, _ in entries:
                    yield self._conversion.found(text)
        finally:
            self._calls.close_later(cursor)

    # Loads

    async def get_or_load(
        self,
        alias: Alias,
        load: Callable[[], Awaitable[Data]],
        expiry: Expiry = None,
        *,
        codec: Codec[Any] | str | None = None,
    ) -> Value:
        """Return the content of an entry; if it is missing, return and store that of `load()`.

        Callers of this client that miss an entry at the same time share one load: they get the
        same object, or the same error. If the caller that loads is cancelled, another one
        loads. If `load` fails, nothing is stored. What others write to the entry during a load
        is overwritten.

        Args:
            alias: The entry.
            load: Returns the content to store.
            expiry: When loaded content expires; see `Expiry`.
            codec: The codec of this call.

        Raises:
            CircularCall: `load` waits for the same entry to be loaded, directly or through
                other loads.
            Exception: What `load` raises, and the errors of `get` and `update`.

        """
        check_callable("load", load)
        chosen = self._conversion.chosen(codec)
        found: Any = await self.get(alias, codec=chosen, default=_ABSENT)
        if found is not _ABSENT:
            return found  # type: ignore[no-any-return]
        text = self._conversion.alias("get_or_load", alias, writes=True)

        async def load_and_store() -> Any:
            # A load that ended after the `get` above has stored it.
            stored = await self.get(alias, codec=chosen, default=_ABSENT)
            if stored is not _ABSENT:
                return stored
            loaded = await load()
            await self._store(Session.blob_update, alias, loaded, expiry, codec)
            return loaded

        return await self._loads.run(text, load_and_store)  # type: ignore[no-any-return]

    # Documents: files of any size, stored in slices that are checked by their digests

    @overload
    async def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | AsyncFile | AsyncPieces",
        key: uuid.UUID | None = None,
        *,
        slice_size: int = SLICE_SIZE,
        in_flight: int | None = None,
        resume: bool = False,
        expiry_time: Expiry = None,
        progress: Progress | None = None,
    ) -> uuid.UUID: ...
    @overload
    async def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | AsyncFile | AsyncPieces",
        key: uuid.UUID | str | None,
        *,
        slice_size: int = SLICE_SIZE,
        in_flight: int | None = None,
        resume: bool = False,
        expiry_time: Expiry = None,
        progress: Progress | None = None,
    ) -> uuid.UUID | str: ...
    async def upload(
        self,
        file: "str | os.PathLike[str] | BinaryIO | AsyncFile | AsyncPieces",
        key: uuid.UUID | str | None = None,
        *,
        slice_size: int = SLICE_SIZE,
        in_flight: int | None = None,
        resume: bool = False,
        expiry_time: Expiry = None,
        progress: Progress | None = None,
    ) -> uuid.UUID | str:
        """Store a document and return its key.

        Until all slices are stored, a download of the key raises `DocumentIncomplete`. An
        upload that was cancelled or has failed can be resumed if it was given a key. Without
        a key, its slices are removed; if that fails, the error has a note with the new key.
        After a cancellation, a thread may go on reading a file for as long as one slice takes.

        One upload or removal at a time holds the lock of a document. The manifest, which
        completes the document, is written in one transaction with the lock. Slices are in no
        transaction: an upload that another one has taken over notices before its next
        `in_flight` slices, and those already under way may still be stored. If they replace
        slices of other content, a download raises `DocumentDamaged`; remove the document and
        upload it again.

        Args:
            file: A path, an open binary file, or an iterable of pieces.
            key: A UUID, or any text as the name of the document; text that is a UUID stands
                for that UUID. A new UUID by default. An existing document is replaced.
            slice_size: Bytes of a slice. To resume, it must be the same as before.
            in_flight: How many slices are sent at the same time. By default 2, and 1 for an
                embedded store, which is not faster with more.
            resume: Take over from an earlier upload to this key that was interrupted, or is
                still running and then fails; skip slices that it has recorded as stored, if
                slices have 2 KiB or more. The file is still read and compared from its start.
                A complete document is replaced as a whole.
            expiry_time: When the document expires; None for never.
            progress: Called with the bytes stored so far, and the total, None if that is not
                known; at the end with the size twice. `storekit.qdb.bar` draws a progress bar.

        Raises:
            DocumentConflict: Another upload or removal of the document is running or was
                interrupted, and `resume` is false; or another one has taken over.
            TypeError, ValueError: A wrong argument; nothing is stored.
            OSError: The file can't be read.

        """
        return await self._documents().upload(
            file,
            key,
            slice_size=slice_size,
            in_flight=in_flight,
            resume=resume,
            expiry_time=expiry_time,
            progress=progress,
        )

    async def download(
        self,
        key: uuid.UUID | str,
        file: "str | os.PathLike[str] | BinaryIO | AsyncFile",
        *,
        in_flight: int | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> DocumentInfo:
        """Write a document to a file, checking each slice before, and return its description.

        A file given by its path appears at the end, complete and synced to the disk; until then,
        the content is in a file whose name ends in ".part". If it replaces a file, it takes over
        the mode, and the owner where that is permitted. Symbolic links are followed. A file
        with several hard links is overwritten in place, as is anything that is not a regular
        file. To an open file, and to anything that is not a regular file, slices are written as
        they arrive; after a cancellation, a thread may go on writing the last of them.
        Documents in the slices of the 1.x client's documentation have no digests to be checked
        by, and end at the first missing slice.

        Args:
            key: What `upload` returned.
            file: A path, or a file that is open for writing bytes.
            in_flight: How many slices are fetched at the same time. By default 2, and 1 for an
                embedded store, which is not faster with more.
            resume: Keep the content of an interrupted download, in a file with ".part" after
                its name, and continue with such a file as far as its content is correct. Only
                one download at a time can do so.
            progress: Called with the bytes written so far, and the total, None if that is not
                known; at the end with the size twice. As for `upload`.

        Raises:
            AliasNotFound: There is no such document, or it was removed meanwhile.
            DocumentIncomplete: An upload or removal has begun and has not ended, or has
                replaced the document meanwhile.
            DocumentDamaged: A slice is missing, or is not the uploaded one.
            OSError: The file can't be written, or another download is writing it.

        """
        return await self._documents().download(
            key, file, in_flight=in_flight, resume=resume, progress=progress
        )

    async def document_info(self, key: uuid.UUID | str) -> DocumentInfo:
        """Return the description of a document without reading its content.

        For a document without a manifest, slices are counted and their sizes added up. Raises
        `AliasNotFound`, `DocumentIncomplete`, and `DocumentDamaged` for a manifest that
        can't be read.
        """
        return await self._documents().document_info(key)

    def documents(self, prefix: str = "") -> AsyncIterator[DocumentInfo]:
        """Iterate over the complete documents whose names start with a text, sorted by name.

        The name of a document with a UUID is the text of the UUID. Documents in the slices
        of the 1.x client's documentation are not found. Descriptions are read during the
        iteration, a few hundred at a time. Raises `TypeError` if `prefix` is not text.
        """
        return self._documents().documents(prefix)

    async def remove_document(self, key: uuid.UUID | str) -> None:
        """Remove a document, complete or not, with all its slices.

        It takes over from an upload that is running, which then fails; see `upload` for slices
        that may still be stored. An interrupted removal can be repeated.

        Raises:
            AliasNotFound: There is no such document.
            DocumentConflict: Another upload or removal has taken over.

        """
        await self._documents().remove_document(key)

    def _documents(self) -> AsyncDocuments:
        return AsyncDocuments(self._calls, self._clock)

    # Nodes of the cluster

    async def node_status(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the status of a node."""
        return await self._ask(Session.node_status, remote_node)

    async def node_config(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the configuration of a node."""
        return await self._ask(Session.node_config, remote_node)

    async def node_topology(self, remote_node: RemoteNode | str) -> dict[str, Any]:
        """Return the topology of the cluster according to a node."""
        return await self._ask(Session.node_topology, remote_node)

    async def stop_node(self, remote_node: RemoteNode | str, reason: str) -> None:
        """Stop a node of the cluster, for all its clients.

        Raises `OperationDisabled` unless the cluster is configured to permit it.
        """
        method, node = Session.node_stop, _authority(remote_node)
        if not isinstance(reason, str):
            raise TypeError(f"reason must be text, not {type(reason).__name__}")
        await self._calls.call(operation_of(method), None, bound(method, node, reason), node=node)

    async def _ask(
        self, method: Callable[[Session, str], bytes], remote_node: RemoteNode | str
    ) -> dict[str, Any]:
        """Return a description that a node gives of itself."""
        node = _authority(remote_node)
        call = bound(method, node)
        answer = await self._calls.call(operation_of(method), None, call, reads=True, node=node)
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
        raise error_for(ErrorCode.INVALID_REPLY, "The reply of the node is not a JSON object.")
    return parsed
