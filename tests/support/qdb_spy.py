"""An engine around another, which tells of each call before it is made and after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storekit.qdb.engine import SessionOptions
from storekit.qdb.location import open_engine
from tests.support.qdb_stores import Store

__all__ = ["Call", "SpyEngine", "spy_on"]


@dataclass(frozen=True)
class Call:
    """A call of a session, with its arguments."""

    name: str
    arguments: tuple[Any, ...]

    def written(self) -> list[tuple[str, bytes]]:
        """Return aliases and contents that the call writes."""
        if self.name in ("blob_put", "blob_update", "blob_compare_and_swap"):
            return [(self.arguments[0], bytes(self.arguments[1]))]
        if self.name in ("run_batch", "run_joined", "run_transaction"):
            operations = self.arguments[0]
            return [(each.alias, each.content) for each in operations if each.content is not None]
        return []


class SpyEngine:
    """`before` and `after` are called around each call; what they raise is raised by it."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.calls: list[Call] = []
        self.before: Callable[[Call], object] = lambda call: None
        self.after: Callable[[Call], object] = lambda call: None

    def connect(self, *arguments: Any, **options: Any) -> Any:
        return _Session(self, self._engine.connect(*arguments, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def written(self) -> list[tuple[str, bytes]]:
        """Return aliases and contents of all that was written."""
        return [each for call in self.calls for each in call.written()]


class _Session:
    def __init__(self, spy: SpyEngine, session: Any) -> None:
        self._spy, self._session = spy, session

    def close(self) -> None:
        self._session.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._session, name)

        def watched(*arguments: Any) -> Any:
            call = Call(name, arguments)
            self._spy.calls.append(call)
            self._spy.before(call)
            result = method(*arguments)
            self._spy.after(call)
            return result

        return watched


def spy_on(store: Store) -> SpyEngine:
    """Return an engine for a store that can be watched."""
    engine = store.options.get("engine") or open_engine(store.place, SessionOptions())[0]
    return SpyEngine(engine)
