"""Makes clients from the settings: mostly sync clients, which load no event loop."""

import os
from typing import TYPE_CHECKING, Any

from storekit.cli.exits import UNREACHABLE, USAGE, CommandError

if TYPE_CHECKING:
    from storekit.cli.invocation import Invocation
    from storekit.codecs.base import Codec
    from storekit.kit import Settings
    from storekit.qcache import AsyncQClient, QClient
    from storekit.qdb import AsyncRawClient, RawClient

__all__ = [
    "async_qcache",
    "async_qdb",
    "chosen_codec",
    "named_stores",
    "open_qcache",
    "open_qdb",
    "open_to_read",
    "qcache_nodes",
    "qdb_place",
]

_OF_VALUES = ("allow", "trust_pickle", "pickle_aliases")
"""Options that `Client` has and `RawClient` does not."""


def open_qdb(invocation: "Invocation") -> "RawClient":
    """Return a client of the store of QuasarDB, with bytes as values."""
    from storekit.qdb import RawClient  # noqa: PLC0415 - loaded only if used

    place, options = _of_qdb(invocation)
    return RawClient(place, **options)


def open_to_read(invocation: "Invocation") -> "RawClient":
    """Return a client of a store that exists. Raises `CommandError`.

    `open_qdb` would create an empty embedded store at a misspelt path.
    """
    place = qdb_place(invocation, invocation.settings())
    if place.startswith("embedded:"):
        from storekit.qdb.embedded import parse_location  # noqa: PLC0415 - loads SQLite

        path = parse_location(place).path
        if path is None:
            raise CommandError(f"{place} is a store in memory, which would be empty", USAGE)
        if not os.path.exists(path):
            raise CommandError(
                f"there is no store {place}; `storekit put` and `storekit upload` create one",
                UNREACHABLE,
            )
    return open_qdb(invocation)


def async_qdb(invocation: "Invocation") -> "AsyncRawClient":
    """Return a client of the same store for an event loop."""
    from storekit.qdb import AsyncRawClient  # noqa: PLC0415

    place, options = _of_qdb(invocation)
    return AsyncRawClient(place, **options)


def _of_qdb(invocation: "Invocation") -> tuple[str, dict[str, Any]]:
    from storekit.kit.settings import session_options  # noqa: PLC0415

    settings = invocation.settings()
    options: dict[str, Any] = {
        "timeout": settings.timeout,
        "connect_timeout": settings.connect_timeout,
        "retry": settings.retry,
        "observers": invocation.observers(),
        **settings.qdb_options,
    }
    if "session" in options:
        options["options"] = session_options(options.pop("session"))
    for name in _OF_VALUES:
        options.pop(name, None)
    return qdb_place(invocation, settings), options


def qdb_place(invocation: "Invocation", settings: "Settings") -> str:
    """Return the address of the store of QuasarDB. Raises `CommandError` if none is given."""
    from storekit.kit.urls import QDB, parse_url  # noqa: PLC0415

    if invocation.store is not None:
        store = parse_url(invocation.store)
        if not isinstance(store, QDB):
            raise CommandError(
                "this command is for QuasarDB: give --store qdb://HOST:PORT or embedded:PATH",
                USAGE,
            )
        return store.place
    default = type(settings)().qdb  # a store in memory, which would be empty
    if settings.qdb is None or settings.qdb == default:
        raise CommandError(
            "no store is given: use --store qdb://HOST:PORT or embedded:PATH, set STOREKIT_QDB, or "
            "give a file with --config",
            USAGE,
        )
    return settings.qdb.removeprefix("qdb+")


def open_qcache(invocation: "Invocation") -> "QClient[Any]":
    """Return a client of the nodes of QCache. Its read timeout is the timeout of an operation."""
    from storekit.qcache import QClient  # noqa: PLC0415

    nodes, options = _of_qcache(invocation)
    return QClient(nodes, **options)


def async_qcache(invocation: "Invocation") -> "AsyncQClient[Any]":
    """Return a client of the same nodes for an event loop."""
    from storekit.qcache import AsyncQClient  # noqa: PLC0415

    nodes, options = _of_qcache(invocation)
    return AsyncQClient(nodes, **options)


def _of_qcache(invocation: "Invocation") -> tuple[tuple[str, ...], dict[str, Any]]:
    settings = invocation.settings()
    options: dict[str, Any] = {
        "connect_timeout": settings.connect_timeout,
        "read_timeout": settings.timeout,
        "total_timeout": settings.timeout,
        "retry": settings.retry,
        "observers": invocation.observers(),
        **settings.qcache_options,
    }
    return qcache_nodes(invocation, settings), options


def qcache_nodes(invocation: "Invocation", settings: "Settings") -> tuple[str, ...]:
    """Return the addresses of the nodes of QCache. Raises `CommandError` if none is given."""
    from storekit.kit.urls import QCache, parse_url  # noqa: PLC0415

    if invocation.store is not None:
        store = parse_url(invocation.store)
        if not isinstance(store, QCache):
            raise CommandError(
                "this command is for QCache: give --store qcache://HOST:PORT[,HOST:PORT...]", USAGE
            )
        return store.nodes
    default = type(settings)().qcache  # a node in this process, which would be empty
    if settings.qcache is None or settings.qcache == default:
        raise CommandError(
            "no node is given: use --store qcache://HOST:PORT[,HOST:PORT...], set STOREKIT_QCACHE, "
            "or give a file with --config",
            USAGE,
        )
    store = parse_url(settings.qcache)
    return store.nodes if isinstance(store, QCache) else ()


def named_stores(invocation: "Invocation") -> list[str]:
    """Return which stores are given: "QuasarDB", "QCache". Raises `CommandError` if none is."""
    from storekit.kit.urls import QDB, parse_url  # noqa: PLC0415

    if invocation.store is not None:
        return ["QuasarDB" if isinstance(parse_url(invocation.store), QDB) else "QCache"]
    settings = invocation.settings()
    default = type(settings)()
    stores = {
        "QuasarDB": settings.qdb not in {None, default.qdb},
        "QCache": settings.qcache not in {None, default.qcache},
    }
    if not any(stores.values()):
        raise CommandError(
            "no store is given: use --store URL, set STOREKIT_QDB or STOREKIT_QCACHE, or give a "
            "file with --config",
            USAGE,
        )
    return [name for name, is_named in stores.items() if is_named]


def chosen_codec(settings: "Settings", name: str | None) -> "Codec[Any]":
    """Return the codec with a name, by default that of the settings. Raises `ValueError`."""
    name = settings.codec if name is None else name
    if name is None:
        from storekit.qdb.codec import ValuePickler  # noqa: PLC0415

        options = settings.qdb_options
        return ValuePickler(
            options.get("allow", ()), trust_pickle=options.get("trust_pickle", False)
        )
    from storekit.codecs.registry import CodecRegistry  # noqa: PLC0415

    return CodecRegistry.default().get(name)
