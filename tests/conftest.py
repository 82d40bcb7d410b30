from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.support.plugin",
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


def pytest_addoption(parser: pytest.Parser) -> None:
    names = ",".join(name for name, _ in LOOPS)
    parser.addoption("--loops", default=names, help=f"event loops to test on; default: {names}")
    parser.addoption(
        "--write-screenshots", action="store_true", help="make the pictures in docs/images anew"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs on other event loops than those that were asked for."""
    wanted = set(config.getoption("--loops").split(","))
    unwanted = [loop for name, loop in LOOPS if name not in wanted]
    if not unwanted:
        return
    left_out = [
        item
        for item in items
        if (spec := getattr(item, "callspec", None)) is not None
        and spec.params.get("anyio_backend") in unwanted
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="module", params=[pytest.param(loop, id=name) for name, loop in LOOPS])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param
