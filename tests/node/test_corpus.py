"""What QCache 0.9.3 was recorded to answer, our nodes answer, through each door.

All cases hold, but for those that are marked as quirks: of them, `docs/qcache-differences.md` names
the ones that our nodes answer differently, and why. Of another corpus than the known one, which
STOREKIT_QCACHE_CORPUS may name, quirks that differ are reported as expected failures.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from storekit.qcache.node import EmbeddedTransport, Node
from tests.support.served import *  # noqa: F403
from tools.qcache_server import QCacheServer

Case = dict[str, Any]

ROOT = Path(__file__).parents[2]
DEVIATIONS = ROOT / "docs" / "qcache-differences.md"
KNOWN_CORPUS = ROOT / "tests" / "data" / "qcache-corpus.jsonl"
CORPUS = Path(os.environ.get("STOREKIT_QCACHE_CORPUS") or KNOWN_CORPUS)
REPLAY = next(
    (
        path
        for corpus in (CORPUS, KNOWN_CORPUS)
        if (path := corpus.with_name("qcache_replay.py")).is_file()
    ),
    KNOWN_CORPUS.with_name("qcache_replay.py"),
)
NO_CORPUS = pytest.mark.skip(reason=f"there is no {CORPUS.name}; STOREKIT_QCACHE_CORPUS names one")


def cases() -> list[Any]:
    if not CORPUS.is_file():
        return [pytest.param({}, id="none", marks=NO_CORPUS)]
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    recorded = [json.loads(line) for line in lines if line.strip()]
    return [pytest.param(case, id=case["id"]) for case in recorded]


def is_known() -> bool:
    """Whether it is the corpus whose cases the documentation names."""
    return CORPUS.resolve() == KNOWN_CORPUS.resolve()


def named_deviations() -> set[str]:
    """The cases that the documentation names."""
    return set(re.findall(r"`([a-z-]+-\d+)`", DEVIATIONS.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def replay() -> ModuleType:
    """The program that compares answers with recorded ones."""
    spec = importlib.util.spec_from_file_location("qcache_replay", REPLAY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class InProcess:
    """The embedded door, with the interface of the connection that the program uses."""

    def __init__(self, replay: ModuleType) -> None:
        self._replay = replay
        self._transport = EmbeddedTransport(Node())

    def request(self, method: str, path: str, body: bytes | None = None, headers=None) -> Any:
        request = httpx.Request(
            method,
            "http://node",
            headers=headers or {},
            stream=httpx.ByteStream(body or b""),
            extensions={"target": path.encode()},
        )
        response = self._transport.handle_request(request)
        return self._replay.Reply(
            response.status_code, response.headers.items(), b"".join(response.stream)
        )


@pytest.fixture(scope="module", params=["embedded", "served"])
def door(request: pytest.FixtureRequest, replay: ModuleType) -> Iterator[Any]:
    if request.param == "embedded":
        yield InProcess(replay)
        return
    server: QCacheServer = request.getfixturevalue("served_node")
    http = replay.Http(server.url)
    yield http
    if http.conn is not None:
        http.conn.close()


@pytest.mark.parametrize("case", cases())
def test_a_recorded_case(replay: ModuleType, door: Any, case: Case) -> None:
    differences = replay.check(door, case)
    if case.get("quirk") and not is_known():
        if differences:
            pytest.xfail(f"a quirk of QCache that is not ours: {'; '.join(map(str, differences))}")
    elif case.get("quirk"):
        named = case["id"] in named_deviations()
        assert named == bool(differences), differences or "it is no deviation any more"
    else:
        assert not differences
