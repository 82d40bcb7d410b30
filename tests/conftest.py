from __future__ import annotations

import importlib.util
import signal
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.support.plugin",
    "tests.support.slow",
    "tests.qdb.libraries",
    "tests.support.qdb_stores",
    "tests.support.features",
]

LOOPS = [("asyncio", ("asyncio", {"use_uvloop": False}))]
if importlib.util.find_spec("uvloop") is not None:
    LOOPS.append(("uvloop", ("asyncio", {"use_uvloop": True})))
LOOPS.append(("trio", ("trio", {})))

# How long an example takes says how busy the machine is.
settings.register_profile("whole", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=10)
settings.load_profile("whole")


# A shell that runs the tests in the background has them, and each program that they start, ignore
# Ctrl-C, which some of the tests press.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    names = ",".join(name for name, _ in LOOPS)
    parser.addoption("--loops", default=names, help=f"event loops to test on; default: {names}")
    parser.addoption(
        "--write-screenshots", action="store_true", help="make the pictures in docs/images anew"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs an event loop on each of those that were asked for."""
    if "anyio_backend" in metafunc.fixturenames:
        wanted = set(metafunc.config.getoption("--loops").split(","))
        loops = [pytest.param(loop, id=name) for name, loop in LOOPS if name in wanted]
        metafunc.parametrize("anyio_backend", loops, indirect=True, scope="module")


@pytest.fixture(scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param
