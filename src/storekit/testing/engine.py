"""An engine for QuasarDB's clients with injected faults."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from storekit.qdb.alone import run_alone
from storekit.qdb.engine import BatchOperation, Engine, Outcome, Session
from storekit.qdb.errors import QuasardbException
from storekit.qdb.methods import operation_of
from storekit.testing.faults import Faults

__all__ = ["FaultyEngine"]

_UNTOUCHED = frozenset({"close", "closed", "scan_close", "wait_until"})


class FaultyEngine:
    """Wraps another engine; calls of its sessions fail or are delayed according to `faults`."""

    def __init__(self, engine: Engine, faults: Faults) -> None:
        self._engine = engine
        self._faults = faults

    @property
    def immediate(self) -> bool:
        """Whether no call can block. False, since a delayed one does."""
        return False

    @property
    def serial(self) -> bool:
        """Whether calls wait for each other, as in the wrapped engine."""
        return self._engine.serial

    def connect(self, timeout: float | None = None) -> Session:
        """Open a session."""
        _, error = self._faults.take("qdb", "connect", None, "qdb")
        if isinstance(error, Exception):
            raise error
        return cast("Session", _FaultySession(self._engine.connect(timeout), self._faults))

    def version(self) -> str:
        """Return the version of the wrapped engine."""
        return self._engine.version()

    def build(self) -> str:
        """Return the build of the wrapped engine."""
        return self._engine.build()

    def describe(self) -> Mapping[str, object]:
        """Return the description of the wrapped engine."""
        return self._engine.describe()


class _FaultySession:
    """A session that looks for a fault before each call. Joined calls are made one by one."""

    def __init__(self, session: Session, faults: Faults) -> None:
        self._session = session
        self._faults = faults

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the methods of a session
        found = getattr(self._session, name)
        if name in _UNTOUCHED or not callable(found):
            return found
        return functools.partial(self._call, name, found)

    def _call(self, name: str, method: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401
        key = arguments[0] if arguments and isinstance(arguments[0], str) else None
        seconds, error = self._faults.take("qdb", operation_of(name), key, "qdb")
        if seconds:
            time.sleep(seconds)
        if isinstance(error, Exception):
            raise error
        return method(*arguments)

    def blob_get_many(self, aliases: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for alias in aliases:
            try:
                found.append(self._call("blob_get", self._session.blob_get, alias))
            except QuasardbException as error:
                found.append(error)
        return found

    def run_joined(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        session = cast("Session", self)
        return [run_alone(session, operation) for operation in operations]
