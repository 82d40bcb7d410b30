"""Fixtures of the tests of content that is received past the HTTP parser."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from storekit.qcache.node.http import asgi as asgi_module
from storekit.qcache.node.http import connections
from storekit.qcache.node.http.asgi import Application, application
from storekit.qcache.node.http.bodies import Lines
from storekit.qcache.node.http.receiving import DirectContent
from storekit.qcache.node.http.tls import server_tls
from storekit.qcache.node.node import Node
from tests.node.receiving.world import LOOPS, World
from tests.support.certificates import Certificates


@pytest.fixture(params=["plain", "tls"])
def is_secure(request: pytest.FixtureRequest) -> bool:
    return request.param == "tls"


@pytest.fixture(params=LOOPS)
def world(
    request: pytest.FixtureRequest,
    is_secure: bool,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[World]:
    server = server_tls(str(certificates.server), None, None) if is_secure else None
    client = certificates.ssl_context() if is_secure else None
    yield World(LOOPS[request.param], server, client)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> list[DirectContent]:
    """All that took the place of a connection."""
    made: list[DirectContent] = []

    class Noted(DirectContent):
        def __init__(self, connection: Any, left: int) -> None:
            super().__init__(connection, left)
            made.append(self)

    monkeypatch.setattr(connections, "DirectContent", Noted)
    return made


# The node


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Application:
    """A node that reads tables early, in small blocks."""
    monkeypatch.setattr(asgi_module, "_READ_EARLY", 1_000)
    monkeypatch.setattr(asgi_module, "Lines", partial(Lines, block=20_000))
    return application(Node(size=1_000_000), body_timeout=20.0)
