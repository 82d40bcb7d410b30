from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from storekit.qdb.capi.library import ENVIRONMENT
from tests.qdb.libraries import ports


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the settings of whoever runs the tests out, and what is none but has such a name."""
    for name in [each for each in os.environ if each.startswith("STOREKIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def place(door_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Gives the address of an empty store behind the C library, a new one with each call."""
    monkeypatch.setenv(ENVIRONMENT, str(door_path))
    from tools.qdb_library import handles  # of the library, which runs in this process

    made: list[str] = []

    def make() -> str:
        made.append(f"127.0.0.1:{next(ports)}")
        return f"qdb://{made[-1]}"

    yield make
    for node in made:
        handles._engines.pop(node, None)  # else it keeps all contents till the end
