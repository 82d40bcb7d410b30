"""The embedded store against diskcache, which also keeps its values in SQLite.

Both are on disk with `synchronous = NORMAL` and a write-ahead log, so that acknowledged writes
survive a crash of the process, not a power failure. diskcache has its other defaults.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count, cycle
from pathlib import Path

import diskcache  # type: ignore[import-untyped]

from benchmarks.harness import Comparison, Contender, Row, time_calls
from storekit.qdb import RawClient

__all__ = ["SIZE", "compare", "contenders"]

SIZE = 100_000
_PREFIXES = 100
_PREFIX = "42/"
_CONTENT = bytes(range(100))
_ASKED = 1000  # number of different aliases that are read
_NORMAL = 1

_THEIRS = {"get": "diskcache, get", "put": "diskcache, set", "prefix_get": "diskcache, its keys"}


def _ours(method: str) -> str:
    return f"embedded, {method}"


@contextmanager
def contenders(size: int = SIZE) -> Iterator[list[Contender]]:
    """Contenders on stores with `size` entries, a hundredth of which share one prefix."""
    with tempfile.TemporaryDirectory(prefix="storekit-benchmark-") as directory:
        root = Path(directory)
        aliases = [f"{i % _PREFIXES:02}/{i:06}" for i in range(size)]
        with _open_client(root / "ours") as client, _open_cache(root / "theirs") as cache:
            _fill(client, cache, aliases)
            yield [
                Contender(_ours("get"), partial(_run_over, client.get, aliases)),
                Contender(_THEIRS["get"], partial(_run_over, cache.get, aliases)),
                Contender(_ours("put"), partial(_run_put, root)),
                Contender(_THEIRS["put"], partial(_run_set, root)),
                Contender(
                    _ours("prefix_get"), partial(_run_prefix, client, size // _PREFIXES), fewest=10
                ),
                Contender(
                    _THEIRS["prefix_get"], partial(_run_keys, cache, size // _PREFIXES), fewest=1
                ),
            ]


def compare(rows: dict[str, Row]) -> list[Comparison]:
    """The ratios of operations per second, ours to theirs."""
    return [
        Comparison.times_faster(rows, _ours(method), _THEIRS[method], target)
        for method, target in (("get", 1), ("put", 1.8), ("prefix_get", 10))
    ]


def _open_client(path: Path) -> RawClient:
    return RawClient(f"embedded:{path}")


def _open_cache(path: Path) -> diskcache.Cache:
    return diskcache.Cache(str(path), sqlite_synchronous=_NORMAL)


def _fill(client: RawClient, cache: diskcache.Cache, aliases: list[str]) -> None:
    for alias in aliases:
        client.put(alias, _CONTENT)
    with cache.transact():
        for alias in aliases:
            cache[alias] = _CONTENT


def _run_over(get: Callable[[str], object], aliases: Sequence[str], calls: int) -> float:
    asked = cycle(aliases[:: max(1, len(aliases) // _ASKED)])
    return time_calls(lambda: get(next(asked)), calls)


def _run_put(root: Path, calls: int) -> float:
    numbers = count()
    with (
        tempfile.TemporaryDirectory(dir=root) as directory,
        _open_client(Path(directory, "store")) as client,
    ):
        return time_calls(lambda: client.put(f"alias/{next(numbers):06}", _CONTENT), calls)


def _run_set(root: Path, calls: int) -> float:
    numbers = count()
    with tempfile.TemporaryDirectory(dir=root) as directory, _open_cache(Path(directory)) as cache:
        return time_calls(lambda: cache.set(f"alias/{next(numbers):06}", _CONTENT), calls)


def _run_prefix(client: RawClient, found: int, calls: int) -> float:
    assert len(client.prefix_get(_PREFIX)) == found
    return time_calls(lambda: client.prefix_get(_PREFIX), calls)


def _run_keys(cache: diskcache.Cache, found: int, calls: int) -> float:
    def filtered() -> list[str]:
        return [key for key in cache if key.startswith(_PREFIX)]

    assert len(filtered()) == found
    started = time.perf_counter()  # without a warm-up: each call takes a third of a second
    for _ in range(calls):
        filtered()
    return time.perf_counter() - started
