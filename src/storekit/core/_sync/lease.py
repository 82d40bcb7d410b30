# Generated from src/storekit/core/_async/lease.py by tools/generate_sync.py; do not edit.

"""The lease of a connection as a context manager."""

from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from storekit.core.places import Lease

if TYPE_CHECKING:
    from storekit.core._sync.pool import Pool

__all__ = ["LeaseContext"]

T = TypeVar("T")


class LeaseContext(Generic[T]):
    """A lease for the body of a `with`; made by `Pool.lease`."""

    __slots__ = ("_lease", "_limits", "_pool")

    def __init__(
        self,
        pool: "Pool[T]",
        timeout: float | None,
        connect_timeout: float | None,
        until: float | None,
    ) -> None:
        self._pool = pool
        self._limits = (timeout, connect_timeout, until)
        self._lease: Lease[T] | None = None

    def __enter__(self) -> Lease[T]:
        timeout, connect_timeout, until = self._limits
        self._lease = self._pool.acquire(
            timeout=timeout, connect_timeout=connect_timeout, until=until
        )
        return self._lease

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lease, self._lease = self._lease, None
        if lease is not None and lease.place is not None:
            self._pool.release(lease, reuse=lease.reusable and exc_type is None)
