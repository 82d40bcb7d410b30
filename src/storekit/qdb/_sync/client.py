# Generated from src/storekit/qdb/_async/client.py by tools/generate_sync.py; do not edit.

"""The clients of QuasarDB: one for bytes, one for any values."""

from typing import TYPE_CHECKING, Any, Generic, Unpack, overload

from storekit.codecs.base import Codec
from storekit.codecs.registry import CodecRegistry
from storekit.qdb._sync.conversion import Conversion
from storekit.qdb._sync.iterator import ForwardIterator, RawForwardIterator
from storekit.qdb._sync.store import Store
from storekit.qdb._typing import ClientOptions, Content, Other, T
from storekit.qdb.codec import DEFAULT_PICKLER, Allowed, ValuePickler
from storekit.qdb.location import Address

__all__ = ["Client", "RawClient"]


class RawClient(Store[str | bytes, str, Content, bytes]):
    """The raw client takes text and bytes-like content, stores it as it is, and gives bytes.

    ```python
    from storekit.qdb import RawClient

    with RawClient("embedded:") as client:
        client.put("alias", b"content")
        assert client.get("alias") == b"content"
    ```

    Aliases are text of 1 to 1024 bytes of UTF-8 without NUL; those that start with ".."
    belong to the store. One client serves any number of concurrent callers.

    Every operation may raise, besides what it says: `InvalidArgument` (with `AliasTooLong`
    and `ReservedAlias`), `TypeError` or `ValueError` for a wrong argument, before anything
    is sent; `CodecError` for content that the codec of a call can't read;
    `IncompatibleType` if the entry is of another type; `ConnectionFailed`, with
    `StoreTimeout` for no answer in time; `ClientClosed`, `OwnerMismatch`, `PoolFull`; and
    any other `QuasardbException` of the store. Reads are repeated after errors that may
    pass, writes only if they certainly did not reach the store.

    **Cancelling an operation returns at once. A write that was cancelled, or that failed
    with `StoreTimeout`, may have happened.**
    """

    def __iter__(self) -> RawForwardIterator[bytes]:
        return RawForwardIterator(self)

    @overload
    def entries(self, *, prefix: str = "", codec: Codec[Other]) -> RawForwardIterator[Other]: ...
    @overload
    def entries(self, *, prefix: str = "", codec: str) -> RawForwardIterator[Any]: ...
    @overload
    def entries(self, *, prefix: str = "") -> RawForwardIterator[bytes]: ...
    def entries(
        self, *, prefix: str = "", codec: Codec[Any] | str | None = None
    ) -> RawForwardIterator[Any]:
        """Iterate over all entries, as the client itself does, or over those with a prefix.

        `codec` is that of this iteration. See the iterator for what a prefix changes.
        """
        return RawForwardIterator(self, codec=self._conversion.chosen(codec), prefix=prefix)


if TYPE_CHECKING:
    # As documented, a client is a raw client. To type checkers it is none: `get` gives no bytes.
    class _Base(Store[object, Any, T, T]): ...
else:

    class _Base(RawClient, Generic[T]):
        pass


class Client(_Base[T]):
    """The client offers the interface of the raw client for any objects.

    ```python
    from storekit.qdb import Client

    with Client("embedded:") as client:
        client.put("entry", {"any": "object"})
        assert client.get("entry") == {"any": "object"}
    ```

    **Values** are plain pickles of protocol 2, unless there is a `codec`: what any other
    client pickled reads back, and the other way round. Reading lets in plain data and the
    standard value types (dates, decimals, fractions, UUIDs, collections, IP addresses, pure
    paths), and what `allow` names; anything else raises `ClassNotAllowed`, which says what
    to add, and what is no pickle raises `UnreadableValue`. Both are a `CodecError`, which
    every codec raises for content that it can't read; it names the alias and has the
    content. What could not be read is not stored either: that is a `TypeError`, which says
    what to allow.

    **Aliases**: text stays as it is. Numbers, bytes, dates and times, UUIDs, None, and tuples
    of these have a textual form and come back as they were; text in that form that none of
    these would have comes back as text. Other objects only with `pickle_aliases`. Prefixes
    and suffixes are always text.

    `compare_and_swap` and `remove_if` compare stored bytes: equal objects that were built
    differently may have different ones.
    """

    @overload
    def __init__(
        self: "Client[Any]",
        remote_node: Address,
        *arguments: object,
        codec: None = None,
        allow: Allowed = (),
        trust_pickle: bool = False,
        pickle_aliases: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        remote_node: Address,
        *arguments: object,
        codec: Codec[T],
        pickle_aliases: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: "Client[Any]",
        remote_node: Address,
        *arguments: object,
        codec: str,
        pickle_aliases: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None: ...
    def __init__(
        self,
        remote_node: Address,
        *arguments: object,
        codec: Codec[Any] | str | None = None,
        allow: Allowed = (),
        trust_pickle: bool = False,
        pickle_aliases: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None:
        """Make a client.

        Args:
            remote_node: A `RemoteNode`, several of them, `qdb://host:port[,host:port...]`,
                or an embedded store: `embedded:` (in memory, of this client alone),
                `embedded:NAME?mode=memory` (of this process), `embedded:PATH`.
            arguments: More of them are taken, and left alone, as in the 1.x API.
            codec: How values are stored, instead of as pickles of protocol 2: a codec, or
                the name of one in the registry.
            allow: Classes and functions that pickles may name, themselves or as text
                (`"module.Class"`); only without `codec`.
            trust_pickle: Let pickles name anything, **so that whoever can write to the
                store can run code in this process**; only without `codec`.
            pickle_aliases: Take any object as an alias, and pickle those that have no
                other form. They are read as values of a client without `codec` are:
                those of others then take memory and time as values do.
            options: Keyword arguments as of the raw client, where more is said of them:

                - `timeout`: seconds for a whole operation, with all attempts and pauses;
                  60 by default, None for no limit.
                - `connect_timeout`: seconds for opening a session, as far as a caller
                  waits for just that; 10 by default, None for no limit but the others.
                - `limits`: how many sessions, for how long, and how many callers may wait.
                - `retry`: when and how operations are repeated; three attempts by default.
                - `options`: those of the sessions: encryption, compression, credentials...
                - `library`: the file of the C library to reach a cluster with.
                - `observers`: who is told of calls; see `storekit.observers`.
                - `registry`: the codecs that may be named; those of storekit by default.
                - `engine`: what to use instead of what `remote_node` says.
                - `clock`: the time of day in seconds since the epoch, for times of expiry.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: A value is out of range or an address is malformed.
            StoreKitError: There is no C library to reach a cluster with.

        """
        registry = options.get("registry")
        if registry is None:
            registry = options["registry"] = CodecRegistry.default()
        pickler = DEFAULT_PICKLER
        if codec is None:
            pickler = ValuePickler(allow, trust_pickle=trust_pickle)
            chosen: Codec[Any] = pickler
        elif allow or trust_pickle:
            raise TypeError(
                "allow and trust_pickle are for a client without codec; give them to the codec: "
                "codec=Pickle(allow, trust=...)"
            )
        else:
            chosen = registry.get(codec)
        super().__init__(remote_node, *arguments, **options)  # pyright: ignore[reportArgumentType]
        self._conversion = Conversion(
            chosen,
            registry,
            any_alias=True,
            pickled_aliases=pickler if pickle_aliases else None,
        )

    def __iter__(self) -> ForwardIterator[T]:
        return ForwardIterator(self)

    @overload
    def entries(self, *, prefix: str = "", codec: Codec[Other]) -> ForwardIterator[Other]: ...
    @overload
    def entries(self, *, prefix: str = "", codec: str) -> ForwardIterator[Any]: ...
    @overload
    def entries(self, *, prefix: str = "") -> ForwardIterator[T]: ...
    def entries(
        self, *, prefix: str = "", codec: Codec[Any] | str | None = None
    ) -> ForwardIterator[Any]:
        """Iterate over all entries, as the client itself does, or over those with a prefix.

        `codec` is that of this iteration. See the iterator for what a prefix changes.
        """
        return ForwardIterator(self, codec=self._conversion.chosen(codec), prefix=prefix)
