"""Peak memory of reading one large reply into memory, each client in a new process.

    python -m benchmarks.memory CLIENT URL    # prints the peak growth, divided by the body size

The growth is that of the resident set since just before the call.
"""

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio

from benchmarks.harness import LOOPS, Comparison
from benchmarks.stub import BIG_KEY, BIG_SIZE

__all__ = ["compare", "peak"]

_TARGET = 1.2
_STATUS = Path("/proc/self/status")


def compare(url: str, rounds: int, report: Callable[[str], None]) -> list[Comparison]:
    """Measure all clients in interleaved rounds."""
    figures: dict[str, list[float]] = {name: [] for name in _CLIENTS}
    for number in range(rounds):
        report(f"memory, round {number + 1} of {rounds}")
        for name in _CLIENTS:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", name, url],
                cwd=Path(__file__).resolve().parent.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                check=True,
                timeout=60,
            )
            figures[name].append(float(done.stdout))
    return [
        Comparison(
            f"peak memory over a body of {BIG_SIZE / 1e6:.0f} MB, {name}",
            ratios,
            _TARGET if "QClient" in name else None,
            at_most=True,
        )
        for name, ratios in figures.items()
    ]


def _read(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in {_STATUS}")


def peak() -> int:
    """Return the peak resident memory of this process, in bytes."""
    return _read("VmHWM") if _STATUS.exists() else _max_rss()


class _Growth:
    """The growth of the peak memory of this process."""

    def __init__(self) -> None:
        gc.collect()
        # The memory that is resident now: an earlier peak would hide growth.
        self._before = _read("VmRSS") if _STATUS.exists() else _max_rss()

    def bytes(self) -> int:
        return peak() - self._before


def _max_rss() -> int:
    import resource  # noqa: PLC0415 - POSIX only, and not needed on Linux

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _sync(url: str) -> int:
    from storekit.qcache import QClient  # noqa: PLC0415 - each process loads only what it needs

    with QClient([url]) as client:
        client.get("small", {})
        growth = _Growth()
        result = client.get(BIG_KEY, {})
        peak = growth.bytes()
    assert result is not None
    assert len(result.content) == BIG_SIZE
    return peak


def _async(loop: str, url: str) -> int:
    from storekit.qcache import AsyncQClient  # noqa: PLC0415

    async def main() -> int:
        async with AsyncQClient([url]) as client:
            await client.get("small", {})
            growth = _Growth()
            result = await client.get(BIG_KEY, {})
            peak = growth.bytes()
        assert result is not None
        assert len(result.content) == BIG_SIZE
        return peak

    return anyio.run(main, **LOOPS[loop])


def _peer(url: str) -> int:
    import qclient  # type: ignore[import-untyped]  # noqa: PLC0415

    client = qclient.QClient([url], trust_env=False)
    client.get("small", {})
    growth = _Growth()
    result = client.get(BIG_KEY, {})
    peak = growth.bytes()
    assert result is not None
    assert len(result.content) == BIG_SIZE
    return peak


_CLIENTS: dict[str, Callable[[str], int]] = {
    "AsyncQClient, asyncio": lambda url: _async("asyncio", url),
    "AsyncQClient, trio": lambda url: _async("trio", url),
    "QClient": _sync,
    "qcache-client": _peer,
}


if __name__ == "__main__":
    print(_CLIENTS[sys.argv[1]](sys.argv[2]) / BIG_SIZE)
