"""One browser for all that is looked at, and one node with some tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.node.console.browser.browsing import started
from tests.node.console.browser.showing import CITIES, DAYS, HOSTILE, Shown
from tests.node.serving import Serving


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="package")
def shown(browser) -> Iterator[Shown]:
    server = Serving()
    try:
        shown = Shown(browser, server)
        with closing(shown.web):
            shown.post("cities", CITIES, **{"x-qcache-types": "country=enum"})
            shown.post("days", DAYS)
            shown.post("hostile", [HOSTILE])
            yield shown
    finally:
        server.end()
