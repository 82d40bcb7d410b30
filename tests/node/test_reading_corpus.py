"""Whole tables that QCache 0.9.3 was recorded to give back come back the same.

A selection of the corpus: what is only about reading, stand-in columns and writing. Cases
that are marked as quirks of the reference server may differ where DEVIATIONS says so.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from storekit.qcache.node.answer import Answer
from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading.headers import parse_stand_ins, parse_types
from tests.node.roomy import add_stand_ins, read_csv, read_json, to_csv, to_json

Case = dict[str, Any]

KNOWN_CORPUS = Path(__file__).parents[1] / "data" / "qcache-corpus.jsonl"
CORPUS = Path(os.environ.get("STOREKIT_QCACHE_CORPUS") or KNOWN_CORPUS)
QUIRK = pytest.mark.xfail(strict=False, reason="a quirk of QCache that need not be ours")
CATEGORIES = {"csv-infer", "json-store", "types", "output", "unicode", "stand-in"}
TYPES = {"application/json", "text/csv"}

DEVIATIONS = {
    "text after a NUL is dropped": "it is kept: data is not to be lost",
    "beyond int64 comes back negative": "it comes back as it was",
}


def about_tables() -> list[Any]:
    if not CORPUS.is_file():
        reason = f"there is no {CORPUS.name}; STOREKIT_QCACHE_CORPUS names one"
        return [pytest.param({}, id="none", marks=pytest.mark.skip(reason=reason))]
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines if line.strip()]
    known = CORPUS.resolve() == KNOWN_CORPUS.resolve()
    return [
        pytest.param(case, id=case["id"], marks=QUIRK if case.get("quirk") and not known else ())
        for case in cases
        if case["category"] in CATEGORIES
        and case.get("query") == {}
        and case.get("data")
        and case["accept"] in TYPES
        and "pre" not in case
    ]


def served(case: Case) -> bytes:
    data = case["data"]
    headers = {name.lower(): value for name, value in data["headers"].items()}
    body = data["body"].encode()
    if data["content_type"] == "text/csv":
        frame = read_csv(body, parse_types(headers.get("x-qcache-types", "")))
    else:
        frame = read_json(body)
    for each in (headers, {k.lower(): v for k, v in case["query_headers"].items()}):
        header = each.get("x-qcache-stand-in-columns", "")
        frame = add_stand_ins(frame, parse_stand_ins(header))
    answer = Answer(frame, tuple(frame.columns), frame.height)
    return to_csv(answer) if case["accept"] == "text/csv" else to_json(answer)


def cell(text: str) -> object:
    try:
        return float(text) if text == text.strip() and "_" not in text else text
    except ValueError:
        return text


def close(got: object, wanted: object) -> bool:
    if isinstance(got, float) and isinstance(wanted, float):
        return got == wanted or math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9)
    return got == wanted


@pytest.mark.parametrize("case", about_tables())
def test_recorded_tables(case: Case) -> None:
    expected = case["expect"]
    if expected["status"] != 200:
        with pytest.raises(BadTable):
            served(case)
        return
    if case.get("note") in DEVIATIONS:
        served(case)
        return
    content = served(case).decode()
    if "csv" in expected:
        got = list(csv.reader(io.StringIO(content, newline="")))
        wanted = list(csv.reader(io.StringIO(expected["csv"], newline="")))
        assert [len(row) for row in got] == [len(row) for row in wanted]
        for row, wanted_row in zip(got, wanted, strict=True):
            assert all(map(close, map(cell, row), map(cell, wanted_row)))
    else:
        rows = json.loads(content)
        assert [list(row) for row in rows] == [list(row) for row in expected["json"]]
        for row, wanted_row in zip(rows, expected["json"], strict=True):
            pairs = [(row[name], wanted_row[name]) for name in row]
            assert all(close(*pair) for pair in pairs)
            assert [type(a) for a, _ in pairs] == [type(b) for _, b in pairs]
