"""The recorded sequences as the documented clients keep them: which, and with what outcome.

The clients keep the documented contract, profile 1x. What is recorded of the C API alone
(3x) holds for them as far as they have the operation, in the words of that contract.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

from storekit.qdb import PRESERVE_EXPIRY, BatchRequest, ErrorCode, Operations, QuasardbException
from storekit.qdb.times import Expiry
from tests.qdb.semantics import Comparison, content, plain, sequences

__all__ = ["ClientComparison", "documented", "error_name", "missing", "recorded"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)

_OF_ANY_TYPE = {
    *("attach_tag", "detach_tag", "has_tag", "get_tags", "get_tagged", "get_tagged_count"),
    *("expires_at", "expires_from_now", "get_expiry", "get_metadata", "get_type", "remove"),
    *("prefix_get", "prefix_count", "suffix_get", "suffix_count", "purge_all", "sleep"),
    *("iterate", "iter_open", "iter_next", "iter_drain", "run_batch", "run_transaction"),
}
_OF_TYPE = {
    "blob": {
        *("cas", "get", "get_noalloc", "get_remove", "get_update", "put", "remove_if", "update"),
        *("blob_scan", "blob_scan_regex"),
    },
    "int": {"add", "get", "put", "update"},
    "double": {"add", "get", "put", "update"},
    "string": {"cas", "get", "get_remove", "get_update", "put", "remove_if", "update"},
}
_BATCHED = {
    "get": Operations.get_alloc,
    **{operation.name: operation for operation in Operations if operation > 0},
}


def recorded() -> Iterator[dict[str, Any]]:
    """Yield all sequences."""
    return sequences("1x", "both", "3x")


def missing(sequence: dict[str, Any]) -> str | None:
    """Return the operation that a sequence needs and the clients do not have, if any."""
    for step in sequence["steps"]:
        op, args = step["op"], step.get("args", {})
        kind = args.get("type", "blob").removesuffix("eger")
        if op not in _OF_ANY_TYPE | _OF_TYPE.get(kind, set()):
            return op if kind == "blob" else f"{op} of {kind}"
        for operation in args.get("ops", ()):
            if operation["type"] not in _BATCHED:
                return f"{operation['type']} in {op}"
        if args.get("timeout_ms", 1) <= 0:
            return f"{op} with no time to wait"
    return None


def documented(step: dict[str, Any], profile: str) -> dict[str, Any]:
    """Return what the documented contract has a step come to.

    Two limits of 1.x are lifted, as the documentation says: short prefixes, and aliases
    that start with "qdb".
    """
    expect: dict[str, Any] = step.get("expect_1x", step.get("expect", {}))
    if profile == "1x":
        lifted = expect.get("error") == "prefix_too_short" or (
            expect.get("error") == "reserved_alias"
            and str(plain(step["args"]["alias"])).startswith("qdb")
        )
        return {"error": "ok"} if lifted else expect
    if "expect_1x" in step:
        return expect
    expect = _without_created(expect)
    if step["op"] == "cas" and expect.get("error") == "ok" and "content" in expect:
        return {**expect, "content": step["args"]["comparand"]}
    if step["op"] == "cas" and expect.get("error") == "unmatched_content":
        return {**expect, "error": "ok"}
    if step["op"] == "run_transaction" and expect.get("error") != "ok":
        # The error is raised: there are no results.
        return {key: expect[key] for key in expect if key not in ("results", "successes")}
    return expect


def _without_created(expect: dict[str, Any]) -> dict[str, Any]:
    changed = dict(expect)
    if expect.get("error") == "ok_created":
        changed["error"] = "ok"
    if "ok_created" in expect.get("error_any", ()):
        changed["error_any"] = [*expect["error_any"], "ok"]
    if "results" in expect:
        changed["results"] = [_without_created(result) for result in expect["results"]]
    return changed


def error_name(error: Exception) -> str:
    """Return the name of an error, in the words of the recorded sequences."""
    if isinstance(error, QuasardbException):
        return ErrorCode(error.error_code).name.lower()
    return "invalid_argument"  # what clients refuse by themselves


class ClientComparison(Comparison):
    """Arguments for clients, and comparison of what they return."""

    def disagreement(
        self, sequence: dict[str, Any], number: int, actual: dict[str, Any]
    ) -> str | None:
        """Return what is wrong with the outcome of a step, if anything."""
        step = sequence["steps"][number]
        problem = self.compare(documented(step, sequence["profile"]), actual)
        return problem and f"{sequence['id']}, step {number} {step}: {problem}\n{actual}"

    def expiry(self, args: dict[str, Any]) -> Expiry:
        """Return the time of expiry that stands in the arguments."""
        given = args.get("expiry")
        if not given:
            return None
        if given == "preserve":
            return PRESERVE_EXPIRY
        return self._moment(given["abs"] if "abs" in given else self.clock.now() + given["in"])

    def _moment(self, milliseconds: int) -> datetime.datetime:
        return _EPOCH + milliseconds * _MILLISECOND

    def milliseconds(self, expiry: datetime.datetime | None) -> int:
        """Return a time of expiry as it stands in the sequences."""
        return 0 if expiry is None else (expiry - _EPOCH) // _MILLISECOND

    def request(self, args: dict[str, Any]) -> BatchRequest:
        """Return a request of a batch."""
        return BatchRequest(
            _BATCHED[args["type"]],
            plain(args["alias"]),
            plain(args.get("content", args.get("value"))),
            plain(args.get("comparand")),
            self.expiry(args),
            plain(args.get("tag")),
        )

    def failed(self, error: Exception) -> dict[str, Any]:
        """Return the outcome of a step that raised."""
        at = re.match(r"Request (\d+) ", getattr(error, "detail", None) or "")
        return {"error": error_name(error), **({"failed_index": int(at[1])} if at else {})}

    def results(self, results: list[Any]) -> list[dict[str, Any]]:
        """Return the results of a batch as they stand in the sequences."""
        return [
            {"error": ErrorCode(result.error).name.lower(), "content": result.result}
            for result in results
        ]

    def entries(self, seen: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return what an iteration has given."""
        return {
            "entries": {alias: content(value) for alias, value in seen},
            "seen": [alias for alias, _ in seen],
        }
