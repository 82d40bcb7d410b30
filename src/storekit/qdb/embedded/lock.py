"""A lock that no call leaves behind, however it ends."""

import threading
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

__all__ = ["CallLock"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class CallLock:
    """A lock for one call at a time, that is free again however the call ends.

    Used as `Connection.call` does; `run` is that for what needs no clean-up of its own.
    """

    def __init__(self) -> None:
        lock = threading.RLock()
        self.acquire: Callable[[bool, float], bool] = lock.acquire
        self.release: Callable[[], None] = lock.release
        # `threading.Condition` asks in the same way.
        self.is_held: Callable[[], bool] = lock._is_owned  # type: ignore[attr-defined]  # noqa: SLF001

    def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return what `function(*args)` does with the lock held; again by a holder is fine."""
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
        """Return whether no other thread has it, at this moment."""
        if self.is_held():
            return True
        try:
            return self.acquire(False, -1)
        finally:
            self.release_if_held()

    def release_if_held(self) -> None:
        """Release the lock if this thread has it."""
        if self.is_held():
            self.release()
