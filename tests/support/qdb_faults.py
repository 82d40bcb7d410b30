"""A store in a dict that fails, waits and counts on demand."""

import threading
import time

from storekit.qdb.engine import OperationKind, Outcome
from storekit.qdb.errors import ErrorCode, error_for


class FaultyEngine:
    """`gate` cleared holds up every call; `held` counts those it holds."""

    def __init__(self, entries=None):
        self.entries = dict(entries or {})
        self.calls = 0
        self.batches = []
        self.sessions_open = 0
        self.sessions_made = 0
        self.users = {}
        self.clashes = 0
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)
        self.delay = 0.0
        self.skip_batches = False
        self.refuse_connections = False
        self._failures = []
        self._lock = threading.Lock()

    def fail_next(self, code, times=1):
        self._failures += [code] * times

    def connect(self, timeout=None):
        if self.refuse_connections:
            raise error_for(ErrorCode.CONNECTION_REFUSED)
        with self._lock:
            self.sessions_open += 1
            self.sessions_made += 1
        return FaultySession(self)

    immediate = False

    def version(self):
        return "0"

    def build(self):
        return "fake"

    def describe(self):
        return {}


class FaultySession:
    def __init__(self, engine):
        self._engine = engine
        self._closed = False
        self._busy = threading.Lock()

    def _call(self):
        engine = self._engine
        if not self._busy.acquire(blocking=False):
            engine.clashes += 1
            raise AssertionError("two threads are in one session")
        try:
            assert not self._closed, "the session is closed"
            with engine._lock:
                engine.calls += 1
                failure = engine._failures.pop(0) if engine._failures else None
            engine.arrived.release()
            assert engine.gate.wait(20)
            if engine.delay:
                time.sleep(engine.delay)
            if failure is not None:
                raise error_for(failure)
        finally:
            self._busy.release()

    def blob_get(self, alias):
        self._call()
        try:
            return self._engine.entries[alias]
        except KeyError:
            raise error_for(ErrorCode.ALIAS_NOT_FOUND) from None

    def blob_get_many(self, aliases):
        self._call()
        self._engine.batches.append(len(aliases))
        if self._engine.skip_batches:
            return [error_for(ErrorCode.SKIPPED) for _ in aliases]
        entries = self._engine.entries
        return [
            entries[alias] if alias in entries else error_for(ErrorCode.ALIAS_NOT_FOUND)
            for alias in aliases
        ]

    def blob_put(self, alias, content, expiry):
        self._call()
        self._engine.entries[alias] = content

    def blob_update(self, alias, content, expiry):
        self._call()
        self._engine.entries[alias] = content
        return True

    def run_batch(self, operations):
        self._call()
        self._engine.batches.append(len(operations))
        if self._engine.skip_batches:
            return [Outcome(ErrorCode.SKIPPED) for _ in operations]
        entries = self._engine.entries
        return [
            Outcome(ErrorCode.OK, entries[op.alias])
            if op.alias in entries
            else Outcome(ErrorCode.ALIAS_NOT_FOUND)
            for op in operations
        ]

    def remove(self, alias):
        self._call()
        if self._engine.entries.pop(alias, None) is None:
            raise error_for(ErrorCode.ALIAS_NOT_FOUND)

    def run_joined(self, operations):
        self._call()
        self._engine.batches.append(len(operations))
        return [self._outcome(operation) for operation in operations]

    def _outcome(self, operation):
        entries, alias = self._engine.entries, operation.alias
        there = alias in entries
        match operation.kind:
            case OperationKind.BLOB_UPDATE:
                entries[alias] = operation.content
                return Outcome(ErrorCode.OK if there else ErrorCode.OK_CREATED)
            case OperationKind.BLOB_PUT:
                if there:
                    return Outcome(ErrorCode.ALIAS_ALREADY_EXISTS)
                entries[alias] = operation.content
                return Outcome(ErrorCode.OK)
            case _ if not there:
                return Outcome(ErrorCode.ALIAS_NOT_FOUND)
            case OperationKind.BLOB_GET:
                return Outcome(ErrorCode.OK, entries[alias])
            case OperationKind.REMOVE:
                del entries[alias]
                return Outcome(ErrorCode.OK)
        raise AssertionError(operation.kind)

    def scan(self, cursor, count):
        self._call()
        start = cursor or 0
        chunk = sorted(self._engine.entries.items())[start : start + count]
        return chunk, start + count if start + count < len(self._engine.entries) else None

    def scan_close(self, cursor):
        pass

    def close(self):
        if not self._busy.acquire(blocking=False):
            self._engine.clashes += 1
            return
        self._busy.release()
        if not self._closed:
            self._closed = True
            with self._engine._lock:
                self._engine.sessions_open -= 1
