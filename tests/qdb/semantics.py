"""Runs recorded step sequences against a session, in profile 3x.

The sequences say what QuasarDB does, one JSON object a line: `id`, `profile`, and `steps`, each
with `op`, `args` and `expect`. They come from beside the repository; the environment variable
`STOREKIT_QDB_SEMANTICS` may name other files, separated like the entries of `PATH`.

An engine is run by giving `Run` a session with an empty store and a `Clock` that both go by.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from storekit.qdb.engine import (
    NEVER,
    PRESERVE,
    BatchOperation,
    EntryType,
    OperationKind,
    Outcome,
    Session,
)
from storekit.qdb.errors import ErrorCode, QuasardbException

VARIABLE = "STOREKIT_QDB_SEMANTICS"
RECORDED = Path(__file__).parents[1] / "data" / "qdb-semantics.jsonl"

_TYPES = {
    "blob": EntryType.BLOB,
    "int": EntryType.INTEGER,
    "integer": EntryType.INTEGER,
    "double": EntryType.DOUBLE,
    "string": EntryType.STRING,
    "timestamp": EntryType.TIMESTAMP,
    "tag": EntryType.TAG,
}
_METHODS = {"integer": "int"}  # else the name of the type
_KINDS = {
    "get": OperationKind.BLOB_GET,
    "put": OperationKind.BLOB_PUT,
    "update": OperationKind.BLOB_UPDATE,
    "remove": OperationKind.BLOB_REMOVE,
    "cas": OperationKind.BLOB_CAS,
    "get_update": OperationKind.BLOB_GET_AND_UPDATE,
    "get_remove": OperationKind.BLOB_GET_AND_REMOVE,
    "remove_if": OperationKind.BLOB_REMOVE_IF,
    "get_type": OperationKind.GET_ENTRY_TYPE,
    "get_entry_type": OperationKind.GET_ENTRY_TYPE,
}
_CHUNK = 3  # entries: small, so that iteration goes over several chunks


class Clock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.milliseconds = time.time_ns() // 1_000_000

    def now(self) -> int:
        return self.milliseconds

    def sleep(self, milliseconds: int) -> None:
        self.milliseconds += milliseconds


def sequences(*profiles: str) -> Iterator[dict[str, Any]]:
    """Yield what is recorded for any of the profiles; nothing if the files are not there.

    By default, these are those that an engine is to keep.
    """
    named = os.environ.get(VARIABLE)
    for path in [Path(name) for name in named.split(os.pathsep)] if named else [RECORDED]:
        if named or path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.strip():
                    sequence = json.loads(line)
                    if sequence["profile"] in (profiles or ("both", "3x")):
                        yield sequence


def plain(value: Any) -> Any:
    """Return text, bytes or numbers for what stands in the file."""
    if isinstance(value, dict):
        if "hex" in value:
            return bytes.fromhex(value["hex"])
        if "rep" in value:
            return value["rep"][0] * value["rep"][1]
    return value


def content(value: Any) -> Any:
    value = plain(value)
    return value.encode() if isinstance(value, str) else value


class _Iterator:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._entries: list[tuple[str, bytes]] = []
        self._cursor: object = None
        self._ended = False
        self.seen: list[tuple[str, bytes]] = []

    def next(self) -> bool:
        while not self._entries and not self._ended:
            self._entries, self._cursor = self._session.scan(self._cursor, _CHUNK)
            self._ended = self._cursor is None
        if not self._entries:
            return False
        alias, value = self._entries.pop(0)
        self.seen.append((alias, bytes(value)))
        return True


class Comparison:
    """What was expected of a step, and what came of it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def compare(self, expect: dict[str, Any], actual: dict[str, Any]) -> str | None:
        for key, wanted in expect.items():
            if not self._agrees(key, wanted, actual, expect):
                return f"{key}: {wanted!r} was expected"
        return None

    def _agrees(self, key: str, wanted: Any, actual: dict[str, Any], expect: Any) -> bool:
        if key == "error":
            return actual["error"] == wanted
        if key == "error_any":
            return actual["error"] in wanted
        if key == "expiry":
            return self._same_expiry(wanted, actual["expiry"])
        if key == "content":
            got = actual.get("content")
            return (None if got is None else content(got)) == content(wanted)
        if key in ("aliases", "tags", "aliases_ordered"):
            got = actual.get("aliases" if key != "tags" else "tags", [])
            names = [plain(name) for name in wanted]
            return list(got) == names if key == "aliases_ordered" else sorted(got) == sorted(names)
        if key == "subset_of":
            return set(actual["aliases"]) <= {plain(name) for name in wanted}
        if key == "count":
            return actual.get("count", len(actual.get("aliases", ()))) == wanted
        if key == "entries":
            return actual["entries"] == {plain(k): content(v) for k, v in wanted.items()}
        if key == "results":
            results = actual["results"]
            return len(results) == len(wanted) and all(
                self.compare(one, result) is None
                for one, result in zip(wanted, results, strict=True)
            )
        if key == "must_include":
            return {plain(name) for name in wanted} <= set(actual["seen"])
        if key == "may_include":
            allowed = {plain(name) for name in [*wanted, *expect.get("must_include", [])]}
            return set(actual["seen"]) <= allowed
        if key == "unique":
            return not wanted or len(actual["seen"]) == len(set(actual["seen"]))
        if key == "type":
            return _TYPES[actual["type"]] == _TYPES[wanted]
        return key in actual and actual[key] == plain(wanted)

    def _same_expiry(self, wanted: Any, got: int) -> bool:
        if isinstance(wanted, int):
            return got == wanted
        if "abs" in wanted:
            return got == wanted["abs"]
        return abs(got - (self.clock.now() + wanted["in"])) <= wanted.get("tol", 0)


class Run(Comparison):
    """One sequence against one session."""

    def __init__(self, session: Session, clock: Clock) -> None:
        super().__init__(clock)
        self.session = session
        self.iterators: dict[str, _Iterator] = {}

    def sequence(self, sequence: dict[str, Any]) -> None:
        for number, step in enumerate(sequence["steps"]):
            actual = self.step(step["op"], step.get("args", {}))
            problem = self.compare(step.get("expect", {}), actual)
            assert problem is None, f"{sequence['id']}, step {number} {step}: {problem}\n{actual}"

    def step(self, op: str, args: dict[str, Any]) -> dict[str, Any]:
        run: Callable[[dict[str, Any]], dict[str, Any]] = getattr(self, f"op_{op}")
        try:
            return {"error": "ok", **run(args)}
        except QuasardbException as error:
            return {"error": _name(error.error_code)}

    def _expiry(self, args: dict[str, Any]) -> int:
        expiry = args.get("expiry")
        if expiry is None or expiry == 0:
            return NEVER
        if expiry == "preserve":
            return PRESERVE
        return expiry["abs"] if "abs" in expiry else self.clock.now() + expiry["in"]

    # Values of any type

    def _call(self, args: dict[str, Any], name: str) -> Callable[..., Any]:
        kind = args.get("type", "blob")
        return getattr(self.session, f"{_METHODS.get(kind, kind)}_{name}")

    def _value(self, args: dict[str, Any], key: str = "content") -> Any:
        value = args.get(key, args.get("value"))
        kind = args.get("type", "blob")
        if kind == "blob":
            return content(value)
        return plain(value)

    def op_put(self, args: dict[str, Any]) -> dict[str, Any]:
        self._call(args, "put")(plain(args["alias"]), self._value(args), self._expiry(args))
        return {}

    def op_update(self, args: dict[str, Any]) -> dict[str, Any]:
        created = self._call(args, "update")(
            plain(args["alias"]), self._value(args), self._expiry(args)
        )
        return {"error": "ok_created"} if created else {}

    def op_get(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"content": _given(self._call(args, "get")(plain(args["alias"])))}

    def op_get_update(self, args: dict[str, Any]) -> dict[str, Any]:
        before = self._call(args, "get_and_update")(
            plain(args["alias"]), self._value(args), self._expiry(args)
        )
        return {"content": _given(before)}

    def op_get_remove(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"content": _given(self._call(args, "get_and_remove")(plain(args["alias"])))}

    def op_cas(self, args: dict[str, Any]) -> dict[str, Any]:
        there = self._call(args, "compare_and_swap")(
            plain(args["alias"]),
            self._value(args),
            self._value(args, "comparand"),
            self._expiry(args),
        )
        if there is None:
            return {"content": None}
        return {"error": "unmatched_content", "content": _given(there)}

    def op_remove_if(self, args: dict[str, Any]) -> dict[str, Any]:
        self._call(args, "remove_if")(plain(args["alias"]), self._value(args, "comparand"))
        return {}

    def op_add(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"value": self._call(args, "add")(plain(args["alias"]), args["value"])}

    def op_get_noalloc(self, args: dict[str, Any]) -> dict[str, Any]:
        # engines allocate: what the C function would do with a buffer of the caller
        found = bytes(self.session.blob_get(plain(args["alias"])))
        if len(found) > args["size"]:
            return {"error": "buffer_too_small", "length": len(found)}
        return {"content": found, "length": len(found)}

    # Entries

    def op_remove(self, args: dict[str, Any]) -> dict[str, Any]:
        self.session.remove(plain(args["alias"]))
        return {}

    def op_expires_at(self, args: dict[str, Any]) -> dict[str, Any]:
        self.session.expires_at(plain(args["alias"]), self._expiry(args))
        return {}

    def op_expires_from_now(self, args: dict[str, Any]) -> dict[str, Any]:
        self.session.expires_from_now(plain(args["alias"]), args["delta_ms"])
        return {}

    def op_get_expiry(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"expiry": self.session.get_expiry_time(plain(args["alias"]))}

    def op_get_type(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"type": self.session.get_type(plain(args["alias"])).name.lower()}

    def op_get_metadata(self, args: dict[str, Any]) -> dict[str, Any]:
        known = self.session.get_metadata(plain(args["alias"]))
        return {
            "type": known.type.name.lower(),
            "size": known.size,
            "expiry": known.expiry // 1_000_000,
        }

    def op_purge_all(self, args: dict[str, Any]) -> dict[str, Any]:
        self.session.purge_all(args.get("timeout_ms", 60_000) / 1000)
        return {}

    def op_sleep(self, args: dict[str, Any]) -> dict[str, Any]:
        self.clock.sleep(args["ms"])
        return {}

    # Finding

    def op_prefix_get(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"aliases": self.session.prefix_get(plain(args["prefix"]), args["max_count"])}

    def op_suffix_get(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"aliases": self.session.suffix_get(plain(args["suffix"]), args["max_count"])}

    def op_prefix_count(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"count": self.session.prefix_count(plain(args["prefix"]))}

    def op_suffix_count(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"count": self.session.suffix_count(plain(args["suffix"]))}

    def op_blob_scan(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"aliases": self.session.blob_scan(content(args["pattern"]), args["max_count"])}

    def op_blob_scan_regex(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"aliases": self.session.blob_scan_regex(plain(args["pattern"]), args["max_count"])}

    def op_iterate(self, args: dict[str, Any]) -> dict[str, Any]:
        iterator = _Iterator(self.session)
        while iterator.next():
            pass
        return {"entries": dict(iterator.seen), **_seen(iterator)}

    def op_iter_open(self, args: dict[str, Any]) -> dict[str, Any]:
        self.iterators[args["it"]] = _Iterator(self.session)
        return {}

    def op_iter_next(self, args: dict[str, Any]) -> dict[str, Any]:
        iterator = self.iterators[args["it"]]
        for _ in range(args.get("n", 1)):
            if not iterator.next():
                return {"error": "iterator_end", **_seen(iterator)}
        return _seen(iterator)

    def op_iter_drain(self, args: dict[str, Any]) -> dict[str, Any]:
        iterator = self.iterators[args["it"]]
        while iterator.next():
            pass
        return {"entries": dict(iterator.seen), **_seen(iterator)}

    # Tags

    def op_attach_tag(self, args: dict[str, Any]) -> dict[str, Any]:
        self.session.attach_tag(plain(args["alias"]), plain(args["tag"]))
        return {}

    def op_attach_tags(self, args: dict[str, Any]) -> dict[str, Any]:
        self.session.attach_tags(plain(args["alias"]), [plain(tag) for tag in args["tags"]])
        return {}

    def op_detach_tag(self, args: dict[str, Any]) -> dict[str, Any]:
        self.session.detach_tag(plain(args["alias"]), plain(args["tag"]))
        return {}

    def op_detach_tags(self, args: dict[str, Any]) -> dict[str, Any]:
        self.session.detach_tags(plain(args["alias"]), [plain(tag) for tag in args["tags"]])
        return {}

    def op_has_tag(self, args: dict[str, Any]) -> dict[str, Any]:
        known = self.session.has_tag(plain(args["alias"]), plain(args["tag"]))
        return {} if known else {"error": "tag_not_set"}

    def op_get_tags(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"tags": self.session.get_tags(plain(args["alias"]))}

    def op_get_tagged(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"aliases": self.session.get_tagged(plain(args["tag"]))}

    def op_get_tagged_count(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"count": self.session.get_tagged_count(plain(args["tag"]))}

    # Batches

    def _operation(self, args: dict[str, Any]) -> BatchOperation:
        name = args["type"]
        kind = _KINDS[name] if name in _KINDS else OperationKind[name.upper()]
        value = args.get("content", args.get("value", args.get("addend")))
        comparand = args.get("comparand")
        return BatchOperation(
            kind,
            plain(args["alias"]),
            content=content(value),
            comparand=None if comparand is None else content(comparand),
            expiry=self._expiry(args),
            tag=plain(args.get("tag")),
        )

    def op_run_batch(self, args: dict[str, Any]) -> dict[str, Any]:
        outcomes = self.session.run_batch([self._operation(one) for one in args["ops"]])
        return {
            "successes": sum(outcome.ok for outcome in outcomes),
            "results": [_result(outcome) for outcome in outcomes],
        }

    def op_run_transaction(self, args: dict[str, Any]) -> dict[str, Any]:
        operations = [self._operation(one) for one in args["ops"]]
        code, index, outcomes = self.session.run_transaction(operations)
        return {
            "error": _name(code),
            "failed_index": index,
            "successes": sum(outcome.ok for outcome in outcomes),
            "results": [_result(outcome) for outcome in outcomes],
        }


def _name(code: int) -> str:
    return ErrorCode(code).name.lower()


def _given(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _result(outcome: Outcome) -> dict[str, Any]:
    result = {"error": _name(outcome.error), "content": _given(outcome.content)}
    if isinstance(outcome.content, int):
        names = {int(kind): name for name, kind in _TYPES.items()}
        result |= {"value": outcome.content, "type": names.get(outcome.content)}
    return result


def _seen(iterator: _Iterator) -> dict[str, Any]:
    return {"seen": [alias for alias, _ in iterator.seen]}
