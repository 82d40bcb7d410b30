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
    """A client that stores text and bytes-like content unchanged, and returns bytes.

    ```python
    from storekit.qdb import RawClient

    with RawClient("embedded:") as client:
        client.put("alias", b"content")
        assert client.get("alias") == b"content"
    ```

    Aliases are text of 1 to 1024 bytes of UTF-8 without NUL; those that start with ".."
    belong to the store. One client serves any number of concurrent callers.

    Besides the errors in its own description, every operation may raise: `InvalidArgument`
    (with `AliasTooLong` and `ReservedAlias`), `TypeError` or `ValueError` for a wrong
    argument, before anything is sent; `CodecError` for content that the codec of a call
    can't decode; `IncompatibleType` if the entry is of another type; `ConnectionFailed`, with
    `StoreTimeout` if no reply comes in time; `ClientClosed`, `OwnerMismatch`, `PoolFull`; and
    any other `QuasardbException` of the store. Reads are retried after transient errors,
    writes only if they certainly did not reach the store.

    **Cancelling an operation returns at once. A write that was cancelled, or that failed
    with `StoreTimeout`, may have been done.**
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
        """Iterate over all entries, or over those whose aliases start with `prefix`.

        `codec` decodes the values of this iteration, instead of the codec of the client. See
        the iterator for the differences that a prefix makes.
        """
        return RawForwardIterator(self, codec=self._conversion.chosen(codec), prefix=prefix)


if TYPE_CHECKING:
    # As documented, a client is a subclass of the raw client. Type checkers do not see it as
    # one, since its `get` does not return bytes.
    class _Base(Store[object, Any, T, T]): ...
else:

    class _Base(RawClient, Generic[T]):
        pass


class Client(_Base[T]):
    """A client with the interface of the raw client, for values of any type.

    ```python
    from storekit.qdb import Client

    with Client("embedded:") as client:
        client.put("entry", {"any": "object"})
        assert client.get("entry") == {"any": "object"}
    ```

    **Values** are stored as pickles of protocol 2, unless there is a `codec`; other clients
    that pickle can read them, and this client theirs. Only plain data, the standard value types
    (dates, decimals, fractions, UUIDs, collections, IP addresses, pure paths), and what
    `allow` names are unpickled. Anything else raises `ClassNotAllowed`, which says what
    to add to `allow`; content that is not a pickle raises `UnreadableValue`. Both are a
    `CodecError`, which every codec raises for content that it can't decode; the error has the
    alias and the content. A value that could not be read back is not stored: that raises a
    `TypeError`, which says what to allow.

    **Aliases**: text is stored unchanged. Numbers, bytes, dates and times, UUIDs, None, and
    tuples of these are stored in a textual form, and returned as equal objects. Other objects
    may be aliases only with `pickle_aliases`. Prefixes and suffixes are always text.

    `compare_and_swap` and `remove_if` compare stored bytes, which may differ for equal objects
    that were built differently.
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
            arguments: Further positional arguments are ignored, as in the 1.x API.
            codec: The codec of values, or its name in the registry, instead of pickles of
                protocol 2.
            allow: Classes and functions that pickles may refer to, as objects or as text
                (`"module.Class"`); only without `codec`.
            trust_pickle: Let pickles refer to anything, **so that anyone who can write to the
                store can run code in this process**; only without `codec`.
            pickle_aliases: Accept any object as an alias, and pickle those without a textual
                form. Aliases are then unpickled by the rules for values without a `codec`;
                aliases of other clients may take as much memory and time as values.
            options: Keyword arguments of the raw client, which describes them in more detail:

                - `timeout`: seconds for a whole operation, with all attempts and pauses;
                  60 by default, None for no limit.
                - `connect_timeout`: seconds that a caller waits for a session to open; 10 by
                  default, None for no limit except `timeout`.
                - `limits`: how many sessions, for how long, and how many callers may wait.
                - `retry`: when and how operations are retried; three attempts by default.
                - `options`: options of the sessions: encryption, compression, credentials...
                - `library`: the file of the C library, for a cluster.
                - `observers`: observers of the calls; see `storekit.observers`.
                - `registry`: codecs by their names; those of storekit by default.
                - `engine`: an engine to use instead of that of `remote_node`.
                - `clock`: returns the time in seconds since the epoch, for times of expiry.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: A value is out of range or an address is malformed.
            StoreKitError: The C library, which a cluster needs, is missing or unusable.

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
        """Iterate over all entries, or over those whose aliases start with `prefix`.

        `codec` decodes the values of this iteration, instead of the codec of the client. See
        the iterator for the differences that a prefix makes.
        """
        return ForwardIterator(self, codec=self._conversion.chosen(codec), prefix=prefix)
