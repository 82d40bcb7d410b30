"""Which shared calls wait for which others, so that a cycle of waits is found before it begins.

A call is made by the shared calls that are under way in its context: those of the same task or
thread, and of threads to which the context was copied. A thread that a function starts by itself
does not have the context, so cycles through such threads are not found.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from storekit.errors import CircularCall

__all__ = ["SharedCall", "making", "waiting_for"]


class SharedCall:
    """A call whose result several callers may wait for."""

    __slots__ = ("key", "waits_for")

    def __init__(self, key: object) -> None:
        self.key: object = key
        self.waits_for: list[SharedCall] = []


_under_way: ContextVar[tuple[SharedCall, ...]] = ContextVar("shared calls under way", default=())
_guard = threading.Lock()


@contextmanager
def making(call: SharedCall) -> Iterator[None]:
    """Mark calls in the body as made by `call`. The calls under way now wait for `call`."""
    with waiting_for(call):
        token = _under_way.set((*_under_way.get(), call))
        try:
            yield
        finally:
            _under_way.reset(token)


@contextmanager
def waiting_for(call: SharedCall, kind: type[CircularCall] = CircularCall) -> Iterator[None]:
    """Note that the calls under way wait for `call`. Raises `kind` if it waits for one of them."""
    calls = _under_way.get()
    if not calls:
        yield
        return
    last = calls[-1]
    with _guard:
        if (cycle := _path(call, frozenset(calls))) is not None:
            raise kind(_explain(last, cycle))
        last.waits_for.append(call)
    try:
        yield
    finally:
        with _guard:
            last.waits_for.remove(call)


def _path(start: SharedCall, ends: frozenset[SharedCall]) -> list[SharedCall] | None:
    """Return a chain of calls from `start` to one of `ends`, each of which waits for the next."""
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


def _explain(last: SharedCall, cycle: list[SharedCall]) -> str:
    if cycle == [last]:
        return (
            f"the function for {last.key!r} asks for {last.key!r} itself, and would wait for "
            "itself forever; have it return the value"
        )
    keys = " -> ".join(repr(call.key) for call in (last, *cycle))
    return f"functions would wait for each other forever: {keys}"
