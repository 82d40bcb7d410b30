"""The quickstart prints the same, whoever answers: a node in process, one of ours, the real one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.served import *  # noqa: F403
from tools.qcache_server import QCacheServer

ROOT = Path(__file__).resolve().parent.parent
ROWS = "[{'city': 'Uppsala', 'people': 177074}, {'city': 'Lund', 'people': 94393}]"


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "examples.quickstart", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def in_process() -> str:
    return run()


def test_all_worlds_have_the_answer_without_a_server(in_process: str) -> None:
    for world in ("asyncio", "trio", "sync"):
        assert f"{world:8} {ROWS}\n" in in_process


def test_a_real_server_makes_no_difference(in_process: str, qcache_node: QCacheServer) -> None:
    assert run(qcache_node.url) == in_process


def test_a_served_node_makes_no_difference(in_process: str, served_node: QCacheServer) -> None:
    assert run(served_node.url) == in_process
