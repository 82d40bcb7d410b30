"""Which shared calls wait for which others, so that none comes to wait for itself.

A call belongs to the calls that it is made in: those of the same task or thread, and of threads
that have its context. A thread that a function starts by itself has not: what waits for it there,
nobody can see.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from storekit.errors import CircularCall

__all__ = ["SharedCall", "making", "waiting_for"]


class SharedCall:
    """A call that others wait for, by its key."""

    __slots__ = ("key", "waits_for")

    def __init__(self, key: object) -> None:
        self.key: object = key
        self.waits_for: list[SharedCall] = []


_under_way: ContextVar[tuple[SharedCall, ...]] = ContextVar("shared calls under way", default=())
_guard = threading.Lock()


@contextmanager
def making(call: SharedCall) -> Iterator[None]:
    """Make what is called inside a part of this call, which those under way wait for."""
    with waiting_for(call):
        token = _under_way.set((*_under_way.get(), call))
        try:
            yield
        finally:
            _under_way.reset(token)


@contextmanager
def waiting_for(call: SharedCall, kind: type[CircularCall] = CircularCall) -> Iterator[None]:
    """Note that the calls under way wait for another one. Raises `kind` if it waits for them."""
    calls = _under_way.get()
    if not calls:
        yield
        return
    last = calls[-1]
    with _guard:
        if (circle := _path(call, frozenset(calls))) is not None:
            raise kind(_explain(last, circle))
        last.waits_for.append(call)
    try:
        yield
    finally:
        with _guard:
            last.waits_for.remove(call)


def _path(start: SharedCall, ends: frozenset[SharedCall]) -> list[SharedCall] | None:
    """Return the calls from `start` to one of `ends` by which each waits for the next."""
    paths = [[start]]
    seen = {start}
    while paths:
        path = paths.pop()
        if path[-1] in ends:
            return path
        for call in path[-1].waits_for:
            if call not in seen:
                seen.add(call)
                paths.append([*path, call])
    return None


def _explain(last: SharedCall, circle: list[SharedCall]) -> str:
    if circle == [last]:
        return (
            f"the function for {last.key!r} asks for {last.key!r} itself, and would wait for "
            "itself for ever; have it return the value"
        )
    keys = " -> ".join(repr(call.key) for call in (last, *circle))
    return f"functions wait for each other, for ever: {keys}"
