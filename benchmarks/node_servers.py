"""The two compared servers, each in a separate process, and their memory."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storekit.qcache import QClient
from tools.qcache_server import QCacheServer

__all__ = [
    "OURS",
    "SERVERS",
    "THEIRS",
    "WITHOUT_UVLOOP",
    "Server",
    "bound_to",
    "client_of",
    "cores",
    "running",
]

OURS, THEIRS = "storekit node", "QCache 0.9.3"
SERVERS = (OURS, THEIRS)
WITHOUT_UVLOOP = "storekit node without uvloop"
"""The node on a system without uvloop."""

_PYTHON = os.environ.get("STOREKIT_PYTHON_OF_NODE", sys.executable)
_SIZE = 4_000_000_000
_START_TIMEOUT = 30
_CALM = 11  # consecutive readings of a process's memory that must agree
_LONGEST = 30


@dataclass(frozen=True)
class Server:
    url: str
    pid: int

    def settled_memory(self) -> int:
        """Resident bytes, once their number has been stable for a second."""
        seen: list[int] = []
        until = time.monotonic() + _LONGEST
        while time.monotonic() < until:
            seen = [*seen[1 - _CALM :], self._memory()]
            if len(seen) == _CALM and max(seen) - min(seen) < max(seen) // 200:
                break
            time.sleep(0.1)
        return seen[-1]

    def _memory(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s*(\d+)", status, re.MULTILINE)
        assert found is not None
        return int(found.group(1)) * 1024


@contextmanager
def running(name: str) -> Iterator[Server]:
    """Start one of `SERVERS`, or `WITHOUT_UVLOOP`, without tables."""
    if name == THEIRS:
        with QCacheServer(size=_SIZE) as server:
            yield Server(server.url, server.pid)
        return
    hide = "sys.modules['uvloop'] = None;" if name == WITHOUT_UVLOOP else ""
    code = f"import sys; {hide} from storekit.qcache.__main__ import main; main()"
    process = subprocess.Popen(
        [_PYTHON, "-c", code, "serve", "--port=0", f"--size={_SIZE}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(_START_TIMEOUT, process.kill)
    watchdog.start()
    try:
        ready = process.stdout.readline()
        watchdog.cancel()
        if "http://" not in ready:
            raise RuntimeError("the node did not start")
        yield Server(ready.split()[-1], process.pid)
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def client_of(server: Server) -> QClient:
    """The client for both servers: no compression, and long timeouts."""
    return QClient(
        [server.url], connect_timeout=10, read_timeout=120, write_timeout=120, total_timeout=1200
    )


def cores() -> list[int]:
    """The cores that this process may use; empty if the system does not report them."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def bound_to(core: int | None) -> Iterator[None]:
    """Bind this process, and those that it starts meanwhile, to one core; with None, don't."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
