"""One operation of a client: its deadline, who watches it, and which loads wait for which."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from storekit.observers import Watch
from storekit.qcache.errors import CircularLoad

__all__ = ["Operation", "current_operation", "loading", "outside_operations", "waiting_for_load"]


class Operation:
    """What the requests of one operation share.

    `until` is when it must be over (a time of the client's clock), None for no limit.
    `statistics` are figures of its upload, for the result of a query.
    """

    __slots__ = ("_client", "statistics", "until", "watch")

    def __init__(self, client: object, until: float | None, watch: Watch | None = None) -> None:
        self._client: object = client
        self.until: float | None = until
        self.watch: Watch | None = watch
        self.statistics: dict[str, float] = {}

    def extend(self, seconds: float) -> None:
        """Put the deadline off by a time that does not count: of functions of the user's."""
        if self.until is not None:
            self.until += seconds

    def is_of(self, client: object) -> bool:
        """Whether it was started by this client."""
        return self._client is client

    @contextmanager
    def as_current(self) -> Iterator[None]:
        """Make calls of the same client a part of this operation."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Operation | None] = ContextVar("operation of a qcache client", default=None)


def current_operation(client: object) -> Operation | None:
    """Return the operation of this client that the call is a part of, if any."""
    operation = _current.get()
    return operation if operation is not None and operation.is_of(client) else None


@contextmanager
def outside_operations() -> Iterator[None]:
    """Let functions of the user's make operations of their own."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


# Loads that wait for each other. A load is known by the client and the key; its function may
# query other keys, whose loads may be made by other tasks and threads.

_Load = tuple[int, str]

_under_way: ContextVar[tuple[_Load, ...]] = ContextVar("loads under way", default=())
_waits: dict[_Load, list[_Load]] = {}
_guard = threading.Lock()


@contextmanager
def loading(client: object, key: str) -> Iterator[None]:
    """Make calls a part of the load of this key."""
    token = _under_way.set((*_under_way.get(), (id(client), key)))
    try:
        yield
    finally:
        _under_way.reset(token)


@contextmanager
def waiting_for_load(client: object, key: str) -> Iterator[None]:
    """Note that the loads under way wait for another one, or make it.

    Raises `CircularLoad` if that one waits for one of them.
    """
    loads = _under_way.get()
    if not loads:
        yield
        return
    wanted = (id(client), key)
    with _guard:
        circle = _path(wanted, frozenset(loads))
        if circle is not None:
            keys = " -> ".join(repr(key) for _, key in (loads[-1], *circle))
            raise CircularLoad(
                f"query {key!r}: the load functions wait for each other, for ever: {keys}"
                if len(circle) > 1 or loads[-1] != wanted
                else f"query {key!r}: the load function of {key!r} queries the same key, and "
                "would wait for itself for ever; have it return the content"
            )
        _waits.setdefault(loads[-1], []).append(wanted)
    try:
        yield
    finally:
        with _guard:
            _waits[loads[-1]].remove(wanted)
            if not _waits[loads[-1]]:
                del _waits[loads[-1]]


def _path(start: _Load, ends: frozenset[_Load]) -> list[_Load] | None:
    """Return the loads from `start` to one of `ends` by which each waits for the next."""
    paths = [[start]]
    seen = {start}
    while paths:
        path = paths.pop()
        if path[-1] in ends:
            return path
        for load in _waits.get(path[-1], ()):
            if load not in seen:
                seen.add(load)
                paths.append([*path, load])
    return None
