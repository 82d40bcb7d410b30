"""Mark as `slow` the tests that `tests/data/slow.txt` names, or write that file anew.

Which tests are slow is measured, not said in each of them: `nox -s quick -- --write-slow` runs
all that the quick session could run, and lists what takes more than 6 ms a case and 50 ms in all.
What takes the whole machine has its marker in its own file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import pytest

LIST = Path(__file__).parents[1] / "data" / "slow.txt"
A_CASE = 0.006
IN_ALL = 0.05
"""Seconds."""


def function_of(nodeid: str) -> str:
    """Return the id of a test without its parameters."""
    return nodeid.partition("[")[0]


def listed() -> set[str]:
    return set(LIST.read_text().splitlines())


class Times:
    """What each test function took, set-up and clean-up included."""

    def __init__(self) -> None:
        self.cases: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.cases[function_of(report.nodeid)][report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        found = sorted(name for name, cases in self.cases.items() if _is_slow(cases.values()))
        LIST.write_text("".join(f"{name}\n" for name in found))


def _is_slow(seconds: Collection[float]) -> bool:
    return sum(seconds) > max(IN_ALL, A_CASE * len(seconds))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-slow", action="store_true", help=f"measure which tests are slow, into {LIST.name}"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Of the processes that run tests side by side, the first one has the reports of all.
    if config.getoption("--write-slow") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Times())


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--write-slow"):
        return
    slow = listed()
    for item in items:
        if function_of(item.nodeid) in slow:
            item.add_marker(pytest.mark.slow)
