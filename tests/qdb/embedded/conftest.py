"""Fixtures of the tests of the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storekit.qdb.embedded import EmbeddedEngine, EmbeddedSession
from tests.qdb.semantics import Clock


@pytest.fixture(params=["memory", "file"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "embedded:" if request.param == "memory" else f"embedded:{tmp_path / 'store'}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(location: str, clock: Clock) -> Iterator[EmbeddedSession]:
    engine = EmbeddedEngine(location, clock=clock.now)
    made = engine.connect()
    yield made
    made.close()
