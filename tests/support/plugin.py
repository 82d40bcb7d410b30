"""Fixtures for tests against real QCache servers.

The shared nodes are started when the first test asks for them and live until the end of the
session: a test that stops, suspends or fills a node starts its own with `start_qcache`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, write_certificates
from tools.qcache_server import QCacheServer, ServerUnavailable, ensure_server

AUTH_USER = "alice"
AUTH_PASSWORD = "s3cret"


@pytest.fixture(scope="session")
def qcache_executable() -> Path:
    """The `qcache` program; skips where there is none, unless one is required."""
    try:
        return ensure_server()
    except ServerUnavailable as exc:
        reason = f"no QCache server: {exc}"
    if os.environ.get("STOREKIT_REQUIRE_QCACHE") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def qcache_node(qcache_executable: Path) -> Iterator[QCacheServer]:
    """A plain node, shared."""
    with QCacheServer(qcache_executable) as server:
        yield server


@pytest.fixture(scope="session")
def tls_node(qcache_executable: Path, certificates: Certificates) -> Iterator[QCacheServer]:
    """A node with TLS, shared."""
    with QCacheServer(qcache_executable, certificate=certificates.server) as server:
        yield server


@pytest.fixture(scope="session")
def mutual_tls_node(qcache_executable: Path, certificates: Certificates) -> Iterator[QCacheServer]:
    """A node with TLS that wants a client certificate, shared."""
    with QCacheServer(
        qcache_executable, certificate=certificates.server, client_ca=certificates.client_ca
    ) as server:
        yield server


@pytest.fixture(scope="session")
def auth_node(qcache_executable: Path, certificates: Certificates) -> Iterator[QCacheServer]:
    """A node with TLS that wants `AUTH_USER` and `AUTH_PASSWORD`, shared."""
    with QCacheServer(
        qcache_executable,
        certificate=certificates.server,
        basic_auth=(AUTH_USER, AUTH_PASSWORD),
    ) as server:
        yield server


@pytest.fixture
def start_qcache(qcache_executable: Path) -> Iterator[Callable[..., QCacheServer]]:
    """Starts nodes with the options of `QCacheServer`; all are stopped when the test ends."""
    with contextlib.ExitStack() as servers:

        def start(**options) -> QCacheServer:
            return servers.enter_context(QCacheServer(qcache_executable, **options))

        yield start


@pytest.fixture(scope="session")
def fresh_key() -> Callable[[], str]:
    """Returns a key that no other test has used, with each call."""
    numbers = itertools.count(1)
    return lambda: f"key-{next(numbers)}"
