"""Calls of several callers as one batch of the library, each with the outcome of a single call.

The library skips a whole batch if one operation is malformed. So operations that may be
malformed, or that batches do not support, are called separately. Those that were skipped
nevertheless were not done, and are called separately, too.
"""

from collections.abc import Sequence
from typing import cast

from storekit.qdb.alone import run_alone
from storekit.qdb.capi.arguments import alias_to_read
from storekit.qdb.capi.batch_memory import MOST, BatchMemory, Found
from storekit.qdb.capi.calls import Calls
from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import Library
from storekit.qdb.engine import BatchOperation, OperationKind, Outcome, Session
from storekit.qdb.errors import NEVER_REACHED, TRANSIENT, ErrorCode, QuasardbException

__all__ = ["JoinedCalls"]

_SKIPPED = int(ErrorCode.SKIPPED)
_TRANSPORT_ERRORS = TRANSIENT | NEVER_REACHED | {ErrorCode.TIMEOUT, ErrorCode.INTERNAL_LOCAL}
"""Errors of the batch as a whole, which may have been done in part."""


class JoinedCalls(Calls):
    """Calls for single entries, many in one call."""

    def __init__(self, library: Library, handle: Handle) -> None:
        super().__init__(library, handle)
        self._free: BatchMemory | None = None
        self._separate: set[OperationKind] = set()  # kinds that this cluster refuses in batches

    def blob_get_many(self, aliases: Sequence[str]) -> Found:
        """Return a copy of the content of each entry, or its error.

        Copies, since a view would keep the memory of the whole batch allocated. Raises an error
        that kept the library from doing anything, and that of a malformed alias, before
        anything is sent.
        """
        found: Found = []
        for start in range(0, len(aliases), MOST):
            found += self._get_some(aliases[start : start + MOST])
        return found

    def _get_some(self, aliases: Sequence[str]) -> Found:
        raw = [alias_to_read(alias) for alias in aliases]
        with self._handle as pointer:
            memory = self._free or BatchMemory(self._ffi, self._lib)
            self._free = None
            kept = memory.fill_gets(raw)
            try:
                done = self._lib.qdb_run_batch(pointer, memory.operations, len(raw))
                codes = memory.codes(len(raw))
                if failure := self._batch_failure(done, codes):
                    raise failure
                return memory.contents(codes)
            finally:
                del kept  # the memory of the aliases
                self._lib.qdb_release(pointer, memory.operations)
                self._free = memory

    def run_joined(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        """Run each operation as a single call would; see `storekit.qdb.engine.Session`.

        An update is `OK_CREATED` if the library says so in a batch. Contents are copies, except
        for those of separate calls.
        """
        outcomes: list[Outcome] = []
        for start in range(0, len(operations), MOST):
            some = operations[start : start + MOST]
            try:
                made = self._run_some(some)
            except QuasardbException as error:
                if start == 0:
                    raise
                failed = Outcome(error.error_code, None, error.detail)
                return outcomes + [failed] * (len(operations) - start)
            outcomes += [
                self._run_alone(operation) if outcome is None else outcome
                for operation, outcome in zip(some, made, strict=True)
            ]
        return outcomes

    def _run_some(self, operations: Sequence[BatchOperation]) -> list[Outcome | None]:
        """Run a batch of the operations that can be in one; None for those to call separately."""
        with self._handle as pointer:
            memory = self._free or BatchMemory(self._ffi, self._lib)
            self._free = None
            joined, kept = memory.fill(operations, self._separate)
            if len(joined) < 2:
                self._free = memory
                return [None] * len(operations)
            try:
                done = self._lib.qdb_run_batch(pointer, memory.operations, len(joined))
                codes = memory.codes(len(joined))
                if failure := self._batch_failure(done, codes):
                    if set(codes) == {_SKIPPED} and failure.error_code not in _TRANSPORT_ERRORS:
                        return [None] * len(operations)  # one is malformed, and nothing was done
                    raise failure
                made = memory.outcomes(joined, codes)
            finally:
                del kept
                self._lib.qdb_release(pointer, memory.operations)
                self._free = memory
        if _SKIPPED in codes:
            self._handle_malformed(joined, codes, made)
        if len(joined) == len(operations):
            return made
        found = iter(made)
        left = iter(joined)
        following = next(left, None)
        outcomes: list[Outcome | None] = []
        for operation in operations:
            if operation is following:
                outcomes.append(next(found))
                following = next(left, None)
            else:
                outcomes.append(None)
        return outcomes

    def _handle_malformed(
        self, operations: Sequence[BatchOperation], codes: Sequence[int], made: list[Outcome | None]
    ) -> None:
        """Call the refused operation separately, and record kinds that fail only in batches."""
        for index, (operation, code) in enumerate(zip(operations, codes, strict=True)):
            if code == _SKIPPED:
                made[index] = None
            elif codes.count(_SKIPPED) == len(codes) - 1:  # the one that made the others skipped
                outcome = made[index] = self._run_alone(operation)
                if outcome.error != code:
                    self._separate.add(operation.kind)

    def _run_alone(self, operation: BatchOperation) -> Outcome:
        return run_alone(cast("Session", self), operation)  # this is a base class of the session
