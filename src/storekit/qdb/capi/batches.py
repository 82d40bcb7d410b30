"""Batches and transactions."""

from collections.abc import Sequence

from storekit.qdb.capi.arguments import alias_to_write, as_content
from storekit.qdb.capi.calls import NOT_RUN, Calls
from storekit.qdb.capi.library import CData
from storekit.qdb.capi.operations import SEPARATE, OperationArray, validate
from storekit.qdb.engine import BatchOperation, OperationKind, Outcome
from storekit.qdb.errors import ErrorCode

__all__ = ["Batches"]

_SKIPPED = Outcome(ErrorCode.SKIPPED)


class Batches(Calls):
    """Many operations in one call."""

    def run_batch(self, operations: Sequence[BatchOperation]) -> list[Outcome]:
        """Run operations independently; those that C batches do not support follow one by one.

        Raises:
            QuasardbException: If nothing was done at all, e.g. without a connection.

        """
        refused = _refusals(operations)
        if refused is not None:
            return refused
        joined = [operation for operation in operations if operation.kind not in SEPARATE]
        with self._handle as pointer:
            outcomes = iter(self._run_joined(pointer, joined) if joined else ())
            results = [
                None if operation.kind in SEPARATE else next(outcomes) for operation in operations
            ]
            # If the cluster found a malformed one, the rest of the batch was skipped.
            skip = any(result is not None and result.error in NOT_RUN for result in results)
            return [
                result or (_SKIPPED if skip else self._run_separate(pointer, operation))
                for result, operation in zip(results, operations, strict=True)
            ]

    def run_transaction(
        self, operations: Sequence[BatchOperation]
    ) -> tuple[int, int, list[Outcome]]:
        """Run all in order, or none; return error code, index of the failed one, outcomes.

        `get_and_remove` and `remove_if` are not supported: their error is `NOT_IMPLEMENTED`.
        """
        codes = [
            ErrorCode.NOT_IMPLEMENTED if operation.kind in SEPARATE else validate(operation)
            for operation in operations
        ]
        for index, code in enumerate(codes):
            if code:
                outcomes = [_SKIPPED] * len(codes)
                outcomes[index] = Outcome(code)
                return code, index, outcomes
        with self._handle as pointer:
            joined = OperationArray(self._ffi, self._lib, operations)
            self._count[0] = 0
            try:
                code = self._lib.qdb_run_transaction(
                    pointer, joined.array, len(joined), self._count
                )
                codes = joined.codes()
                incomplete = ErrorCode.UNINITIALIZED in codes
                if incomplete or (code and all(each in NOT_RUN for each in codes)):
                    raise self._handle.failure(code or ErrorCode.INTERNAL_LOCAL)
                return code & 0xFFFFFFFF, self._count[0], joined.outcomes()
            finally:
                self._lib.qdb_release(pointer, joined.array)

    def _run_joined(self, pointer: CData, operations: Sequence[BatchOperation]) -> list[Outcome]:
        joined = OperationArray(self._ffi, self._lib, operations)
        try:
            done = self._lib.qdb_run_batch(pointer, joined.array, len(joined))
            if failure := self._batch_failure(done, joined.codes()):
                raise failure
            return joined.outcomes()
        finally:
            self._lib.qdb_release(pointer, joined.array)

    def _run_separate(self, pointer: CData, operation: BatchOperation) -> Outcome:
        raw = alias_to_write(operation.alias)
        if operation.kind == OperationKind.BLOB_REMOVE_IF and operation.comparand is not None:
            data, size = as_content(self._ffi, operation.comparand)
            return Outcome(self._lib.qdb_blob_remove_if(pointer, raw, data, size) & 0xFFFFFFFF)
        if operation.kind == OperationKind.REMOVE:
            return Outcome(self._lib.qdb_remove(pointer, raw) & 0xFFFFFFFF)
        code = self._lib.qdb_blob_get_and_remove(pointer, raw, self._out, self._size)
        if code:
            self._handle.drop(self._out)
            return Outcome(code & 0xFFFFFFFF)
        return Outcome(ErrorCode.OK, self._handle.take_bytes(self._out, self._size[0]))


def _refusals(operations: Sequence[BatchOperation]) -> list[Outcome] | None:
    """Return the outcomes of a batch with a malformed operation; None if all are well formed."""
    codes = [validate(operation) for operation in operations]
    if not any(codes):
        return None
    return [Outcome(code) if code else _SKIPPED for code in codes]
