"""Empty stores for the tests of the clients, each behind the engines that can serve it.

One source, two engines that answer: the embedded one, and the one over the C library, which
here is ours with the embedded engine inside. What the library gave out must have come back
by the end of each test.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from storekit.qdb.capi.library import ENVIRONMENT
from storekit.qdb.embedded import DEFAULT_NODE, EmbeddedEngine
from tests.qdb.libraries import Counters, ports
from tests.qdb.semantics import Clock

__all__ = ["Store", "store", "timed_store", "vendor_library"]

EMBEDDED, DOOR = "embedded", "C library"
ENGINES = [EMBEDDED, pytest.param(DOOR, id="door")]

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Store:
    """An empty store: `place` is what a client is made with, `name` what errors call it."""

    place: str
    name: str
    node: str  # host:port, as the store knows itself
    clock: Clock | None = None
    options: dict[str, Any] = field(default_factory=dict)
    counters: Counters | None = None  # of the C library, if one is between

    @contextmanager
    def even(self) -> Iterator[None]:
        """See to it that all buffers and handles that were taken meanwhile come back."""
        counters = self.counters
        if counters is None:
            yield
            return
        before, handles = counters.outstanding, counters.handles
        yield
        if (counters.outstanding, counters.handles) != (before, handles):
            gc.collect()  # a failure that is still being looked at may hold some
        assert counters.outstanding == before, "buffers of the C library were not released"
        assert counters.handles == handles, "handles of the C library were not closed"


@contextmanager
def open_store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None
) -> Iterator[Store]:
    """Make an empty store on the engine that the parameter of the fixture names."""
    options: dict[str, Any] = {}
    if clock is not None:
        options["clock"] = lambda: clock.now() / 1000
    if request.param == EMBEDDED:
        place = f"embedded:store-{next(_numbers)}?mode=memory"
        if clock is not None:
            options["engine"] = EmbeddedEngine(place, clock=clock.now)
        yield Store(place, place, DEFAULT_NODE, clock, options)
        return
    monkeypatch.setenv(ENVIRONMENT, str(request.getfixturevalue("door_path")))
    from tools.qdb_library import handles  # of the library, which runs in this process

    if clock is not None:
        monkeypatch.setattr(handles, "clock", clock.now)
    node = f"127.0.0.1:{next(ports)}"
    counters = request.getfixturevalue("counters")
    made = Store(f"qdb://{node}", node, node, clock, options, counters)
    with made.even():
        yield made
    handles._engines.pop(node, None)  # else it keeps all contents till the end


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store of this test alone, on each engine."""
    with open_store(request, monkeypatch) as made:
        yield made


@pytest.fixture(params=ENGINES)
def timed_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store whose time, and that of clients with its `options`, only `clock` moves."""
    with open_store(request, monkeypatch, Clock()) as made:
        yield made


@pytest.fixture
def vendor_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has clients use the vendor's library, for what needs no server."""
    monkeypatch.setenv(ENVIRONMENT, str(request.getfixturevalue("vendor_path")))
