"""Nodes of our own, served in a process of their own: what `python -m storekit.qcache serve` is.

They have the interface of the real server's, so that tests can be run on both.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates
from tests.support.plugin import AUTH_PASSWORD, AUTH_USER
from tools.qcache_server import QCacheServer

__all__ = [
    "auth_served_node",
    "mutual_tls_served_node",
    "served_executable",
    "served_node",
    "start_served",
    "tls_served_node",
]

# The options of the real server, in words of ours. It listens on all interfaces.
_PROGRAM = """\
#!{python}
import sys
from storekit.qcache.__main__ import main
options = [option.replace("--basic-auth=", "--auth=") for option in sys.argv[1:]]
sys.exit(main(["serve", "--host=0.0.0.0", *options]))
"""


@pytest.fixture(scope="session")
def served_executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that takes the options of the real server."""
    path = tmp_path_factory.mktemp("served") / "qcache"
    path.write_text(_PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def served_node(served_executable: Path) -> Iterator[QCacheServer]:
    """A plain node, shared."""
    with QCacheServer(served_executable) as server:
        yield server


@pytest.fixture(scope="session")
def tls_served_node(served_executable: Path, certificates: Certificates) -> Iterator[QCacheServer]:
    """A node with TLS, shared."""
    with QCacheServer(served_executable, certificate=certificates.server) as server:
        yield server


@pytest.fixture(scope="session")
def mutual_tls_served_node(
    served_executable: Path, certificates: Certificates
) -> Iterator[QCacheServer]:
    """A node with TLS that wants a client certificate, shared."""
    with QCacheServer(
        served_executable, certificate=certificates.server, client_ca=certificates.client_ca
    ) as server:
        yield server


@pytest.fixture(scope="session")
def auth_served_node(served_executable: Path, certificates: Certificates) -> Iterator[QCacheServer]:
    """A node with TLS that wants `AUTH_USER` and `AUTH_PASSWORD`, shared."""
    with QCacheServer(
        served_executable,
        certificate=certificates.server,
        basic_auth=(AUTH_USER, AUTH_PASSWORD),
    ) as server:
        yield server


@pytest.fixture
def start_served(served_executable: Path) -> Iterator[Callable[..., QCacheServer]]:
    """Starts nodes with the options of `QCacheServer`; all are stopped when the test ends."""
    with contextlib.ExitStack() as servers:

        def start(**options) -> QCacheServer:
            return servers.enter_context(QCacheServer(served_executable, **options))

        yield start
