"""One operation of a client: its deadline, and who watches it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from storekit.observers import Watch

__all__ = ["Operation", "current_operation", "outside_operations"]


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
