"""One operation of a client: its deadline, its observers and its figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from storekit.observers import Watch

__all__ = ["Operation", "current_operation", "outside_operations"]


class Operation:
    """What the requests of one operation share.

    `until` is its deadline (a time of the client's clock), None for no limit. `statistics`
    are the server's figures about an upload, which `query` adds to those of its result.
    """

    __slots__ = ("_client", "statistics", "until", "watch")

    def __init__(self, client: object, until: float | None, watch: Watch | None = None) -> None:
        self._client: object = client
        self.until: float | None = until
        self.watch: Watch | None = watch
        self.statistics: dict[str, float] = {}

    def extend(self, seconds: float) -> None:
        """Postpone the deadline by time that does not count, e.g. that of a user's function."""
        if self.until is not None:
            self.until += seconds

    def is_of(self, client: object) -> bool:
        """Whether this client started the operation."""
        return self._client is client

    @contextmanager
    def as_current(self) -> Iterator[None]:
        """Make calls of the same client, inside the `with` block, a part of this operation."""
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
    """Let calls inside the `with` block be operations of their own: for a user's function."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)
