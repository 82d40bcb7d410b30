"""Readers, writers and queries of a node, with a budget that is never too small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from storekit.qcache.node import query as queries
from storekit.qcache.node import reading, writing
from storekit.qcache.node.answer import Answer
from storekit.qcache.node.budget import Budget, Limits
from storekit.qcache.node.reading import csv_blocks, headers

__all__ = [
    "CsvBlocks",
    "add_stand_ins",
    "parse_query",
    "read_csv",
    "read_json",
    "room",
    "run_query",
    "to_csv",
    "to_json",
]

SIZE = 100_000_000


def room() -> Budget:
    """Return what a query may take."""
    return Budget(Limits.of_query(SIZE))


def _room_for_upload() -> Budget:
    return Budget(Limits.of_upload(SIZE))


def read_csv(body: bytes, types: Mapping[str, str]) -> pl.DataFrame:
    return reading.read_csv(body, types, _room_for_upload())


def read_json(body: bytes) -> pl.DataFrame:
    return reading.read_json(body, _room_for_upload())


def CsvBlocks(types: Mapping[str, str]) -> csv_blocks.CsvBlocks:  # noqa: N802 - stands for it
    return csv_blocks.CsvBlocks(types, _room_for_upload())


def add_stand_ins(frame: pl.DataFrame, stand_ins: Sequence[headers.StandIn]) -> pl.DataFrame:
    return headers.add_stand_ins(frame, stand_ins, _room_for_upload())


def parse_query(text: str) -> Mapping[str, object]:
    return queries.check_object(queries.parse_query(text, room()))


def run_query(frame: pl.DataFrame, query: Mapping[str, object]) -> Answer:
    return queries.run_query(frame, query, room())


def to_csv(answer: Answer) -> bytes:
    return writing.to_csv(answer, room())


def to_json(answer: Answer) -> bytes:
    return writing.to_json(answer, room())
