"""The lease of a connection as a context manager."""

from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from storekit.core.places import Lease

if TYPE_CHECKING:
    from storekit.core._async.pool import AsyncPool

__all__ = ["AsyncLeaseContext"]

T = TypeVar("T")


class AsyncLeaseContext(Generic[T]):
    """A lease for the body of an `async with`; made by `AsyncPool.lease`."""

    __slots__ = ("_lease", "_limits", "_pool")

    def __init__(
        self,
        pool: "AsyncPool[T]",
        timeout: float | None,
        connect_timeout: float | None,
        until: float | None,
    ) -> None:
        self._pool = pool
        self._limits = (timeout, connect_timeout, until)
        self._lease: Lease[T] | None = None

    async def __aenter__(self) -> Lease[T]:
        timeout, connect_timeout, until = self._limits
        self._lease = await self._pool.acquire(
            timeout=timeout, connect_timeout=connect_timeout, until=until
        )
        return self._lease

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lease, self._lease = self._lease, None
        if lease is not None and lease.place is not None:
            await self._pool.release(lease, reuse=lease.reusable and exc_type is None)
