from __future__ import annotations

import importlib.util
from typing import Any

import pytest

pytest_plugins = [
    "tests.support.plugin",
    "tests.qdb.libraries",
    "tests.support.qdb_stores",
    "tests.support.features",
]

BACKENDS = [pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio")]
if importlib.util.find_spec("uvloop") is not None:
    BACKENDS.append(pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"))
BACKENDS.append(pytest.param(("trio", {}), id="trio"))


@pytest.fixture(scope="module", params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param
