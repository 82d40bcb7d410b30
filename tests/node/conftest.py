"""Fixtures of the tests of the node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
