"""Fixtures of the tests of the node."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storekit.qcache.node import node as node_module
from tests.node.asgi import WAIT
from tests.node.keeping import Keeper
from tests.node.serving import Serving


@pytest.fixture
def serving() -> Iterator[Callable[..., Serving]]:
    started: list[Serving] = []

    def start(*options: str, **arguments: Any) -> Serving:
        started.append(Serving(*options, **arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.returncode is None:
            one.process.kill()
            one.process.communicate()


@pytest.fixture
def slow(monkeypatch):
    """Queries that wait until they are told to go on."""
    go_on = threading.Event()
    real = node_module.run_query

    def run(*args):
        assert go_on.wait(WAIT)
        return real(*args)

    monkeypatch.setattr(node_module, "run_query", run)
    yield go_on
    go_on.set()


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path / "snapshot")
