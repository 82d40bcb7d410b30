"""A lock that is released however a call ends."""

import threading
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

__all__ = ["CallLock"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class CallLock:
    """A lock for one call at a time, which is released however the call ends.

    `Connection.call` shows how to use it; `run` does the same for calls without a clean-up.
    """

    def __init__(self) -> None:
        lock = threading.RLock()
        self.acquire: Callable[[bool, float], bool] = lock.acquire
        self.release: Callable[[], None] = lock.release
        # `threading.Condition` uses the same method.
        self.is_held: Callable[[], bool] = lock._is_owned  # type: ignore[attr-defined]  # noqa: SLF001

    def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return `function(*args)`, called with the lock held. May be called by the holder."""
        if self.is_held():
            return function(*args)
        try:
            try:
                self.acquire(True, -1)
                result = function(*args)
                self.release()
            except BaseException:
                self.release_if_held()
                raise
        except BaseException:
            self.release_if_held()
            raise
        return result

    def is_free(self) -> bool:
        """Return whether no other thread holds the lock at this moment."""
        if self.is_held():
            return True
        try:
            return self.acquire(False, -1)
        finally:
            self.release_if_held()

    def release_if_held(self) -> None:
        """Release the lock if this thread holds it."""
        if self.is_held():
            self.release()
