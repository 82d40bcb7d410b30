"""Records which operations of the clients passing tests have called, in which world, on what.

Active in every run. Of a whole one, what was recorded must be what docs/features.md says.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from storekit import qcache, qdb
from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.location import library
from tools.feature_table import (
    DOCUMENTED_VALUES,
    EMBEDDED,
    LIBRARY,
    PAGE,
    REAL,
    SERVED,
    VARIABLE,
    VENDOR,
    Call,
    differs,
    render,
    test_files,
)

QDB = ("AsyncRawClient", "AsyncClient", "RawClient", "Client")
QCACHE = ("AsyncQClient", "QClient")
OUTPUT = "storekit_features"


class Recorder:
    """Stands between tests and clients while a test of the clients runs."""

    def __init__(self) -> None:
        self.files = set(test_files())
        self.collected: set[Path] = set()
        self.whole = True
        self.seen: set[Call] = set()
        self.problem = ""
        self.workers: int = 0  # of pytest-xdist, that have told what they saw
        self._passed: dict[str, bool] = {}
        self._calls: set[Call] = set()
        self._server = ""  # what the nodes of this test are, if they are on the network

    # Calls

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if item.path not in self.files:
            return (yield)
        self._calls, self._passed = set(), {}
        fixtures = getattr(item, "fixturenames", ())
        own = "own_nodes" in item.path.stem
        self._server = SERVED if own else REAL if "qcache_executable" in fixtures else ""
        with pytest.MonkeyPatch.context() as patch:
            for owner, name, wrapper in self._wrappers:
                patch.setattr(owner, name, wrapper)
            done = yield
        if self._passed and all(self._passed.values()):
            self.seen |= self._calls
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._passed[report.when] = report.outcome == "passed"

    @functools.cached_property
    def _wrappers(self) -> list[tuple[Any, str, Callable[..., Any]]]:
        found: list[tuple[Any, str, Callable[..., Any]]] = []
        for store, module, names in (("qdb", qdb, QDB), ("qcache", qcache, QCACHE)):
            for owner in (getattr(module, name) for name in names):
                # A class that inherits from another one here inherits what is recorded, too.
                inherits = owner.__mro__[1].__name__ in names
                found += [
                    (owner, name, self._wrap(method, self._noting(store, operation, owner)))
                    for name, operation, method in operations(owner)
                    if not inherits or name in vars(owner)
                ]
        for name in ("AsyncRawForwardIterator", "RawForwardIterator"):
            owner = getattr(qdb, name)
            step = "__anext__" if name.startswith("Async") else "__next__"
            found.append((owner, step, self._wrap(vars(owner)[step], self._note_step)))
        for name in DOCUMENTED_VALUES:
            path, _, attribute = name.rpartition(".")
            owner = getattr(qdb, path) if path else qdb
            note = functools.partial(self._note_value, name)
            found.append((owner, attribute, self._wrap(vars(owner)[attribute], note)))
        return found

    def _wrap(self, method: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        """Return the method, with a note of every call that returns."""
        if inspect.iscoroutinefunction(method):

            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                result = await method(*args, **kwargs)
                note(args, result)
                return result

        elif inspect.isasyncgenfunction(method):

            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                async with aclosing(method(*args, **kwargs)) as items:
                    async for item in items:
                        yield item
                note(args, None)

        elif inspect.isgeneratorfunction(method):

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                result = yield from method(*args, **kwargs)
                note(args, None)
                return result

        else:

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                result = method(*args, **kwargs)
                note(args, result)
                return result

        return functools.wraps(method)(wrapper)

    def _noting(self, store: str, operation: str, owner: type) -> Callable[..., None]:
        world = world_now if owner.__name__.startswith("Async") else lambda: "sync"

        def note(args: tuple[Any, ...], result: Any) -> None:
            if store == "qcache":
                engine = EMBEDDED if is_embedded(args[0]) else self._server
            else:
                engine = engine_of(args[0]._calls.engine)
            if not engine:
                return
            self._calls.add(Call(store, operation, world(), engine))
            if operation == "run_batch":
                for each in result[1]:
                    if each.ok:
                        name = f"run_batch of {qdb.Operations(each.type).name}"
                        self._calls.add(Call(store, name, world(), engine))

        return note

    def _note_step(self, args: tuple[Any, ...], result: Any) -> None:
        iterator = args[0]
        name = type(iterator).__name__
        world = world_now() if name.startswith("Async") else "sync"
        if engine := engine_of(iterator._calls.engine):
            self._calls.add(Call("qdb", name.removeprefix("Async"), world, engine))

    def _note_value(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        engine = engine_of(library()) if name in ("version", "build") else ""
        self._calls.add(Call("qdb", name, "sync", engine))

    # The end of the run

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        if any(item.get_closest_marker("soak") is None for item in items):
            self.whole = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.collected = {item.path for item in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker of pytest-xdist has seen."""
        told = getattr(node, "workeroutput", {}).get(OUTPUT)
        if told is None:
            self.whole = False
            return
        self.workers += 1
        self.whole = self.whole and told["whole"]
        self.seen |= {Call(*call) for call in told["calls"]}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        whole = self.whole and (bool(self.workers) or self.files <= self.collected)
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[OUTPUT] = {
                "calls": [list(call) for call in sorted(self.seen)],  # of plain types, to be sent
                "whole": whole,
            }
            return
        if exitstatus or not whole:
            return
        public = [
            sorted(
                {operation for name in names for _, operation, _ in operations(getattr(of, name))}
            )
            for of, names in ((qdb, QDB), (qcache, QCACHE))
        ]
        if path := os.environ.get(VARIABLE):
            recorded = {"calls": sorted(self.seen), "qdb": public[0], "qcache": public[1]}
            Path(path).write_text(json.dumps(recorded))
            return
        engines = {call.engine for call in self.seen}
        if not {LIBRARY, VENDOR, REAL, SERVED} <= engines:
            return  # a part of the tests could not run here
        changed = differs(render(self.seen, *public), PAGE.read_text(encoding="utf-8"))
        if changed:
            self.problem = (
                f"docs/features.md: out of date: {', '.join(changed)}; run nox -s features"
            )
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.problem:
            terminalreporter.write_line(self.problem, red=True)


def operations(owner: type) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Yield the public methods of a client: name, name in every world, function."""
    for name in dir(owner):
        method = inspect.getattr_static(owner, name)
        if not name.startswith("_") and inspect.isfunction(method):
            yield name, "close" if name == "aclose" else name, method


def world_now() -> str:
    trio = sys.modules.get("trio")
    return "trio" if trio is not None and trio.lowlevel.in_trio_run() else "asyncio"


def engine_of(engine: Any) -> str:
    """Return the name of an engine; none for what stands in for one."""
    if isinstance(engine, EmbeddedEngine):
        return EMBEDDED
    capi = importlib.import_module("storekit.qdb.capi")
    if isinstance(engine, capi.CapiEngine):
        return LIBRARY if engine.build().startswith("storekit ") else VENDOR
    return ""


def is_embedded(client: Any) -> bool:
    """Whether the nodes of a client of QCache are in this process."""
    return bool(client._nodes._embedded)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(), "storekit-features")
