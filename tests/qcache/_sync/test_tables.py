# Generated from tests/qcache/_async/test_tables.py by tools/generate_sync.py; do not edit.

"""Frames in uploads and results, on a real QCache server and on whatever takes its place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from storekit.codecs.tables import ArrowTable, Csv, PandasTable, PolarsTable, Rows, TableRegistry
from storekit.qcache import QClient, QueryResult
from tools.qcache_server import QCacheServer

PATIENT = {"connect_timeout": 20.0, "read_timeout": 20.0}
DAY = dt.date(2026, 2, 28)
FRAME = pl.DataFrame(
    {
        "text": ["007", 'å,"quoted"', None],
        "whole": [1, -2, 2**53 + 1],
        "real": [0.5, -1.25e10, None],
        "flag": [True, False, True],
        "kind": pl.Series(["b", "a", "b"], dtype=pl.Enum(["b", "a"])),
        "gaps": [1, None, 3],
        "day": [DAY, None, DAY],
    }
)
HELD = [
    dict(zip(FRAME.columns, row, strict=True))
    for row in [
        ("007", 1, 0.5, True, "b", 1, "2026-02-28"),
        ('å,"quoted"', -2, -1.25e10, False, "a", None, None),
        (None, 2**53 + 1, None, True, "b", 3, "2026-02-28"),
    ]
]
ARROW = FRAME.to_arrow()
FRAMES = {"polars": FRAME, "pandas": ARROW.to_pandas(), "arrow": ARROW}
QUERY = {"select": FRAME.columns}


def frames_of(client: QClient, *args: Any, **kwargs: Any) -> list[Any]:
    frames = []
    for frame in client.pages(*args, **kwargs):
        assert not isinstance(frame, QueryResult)
        frames.append(frame)
    return frames


def rows_of(table: Any) -> list[dict[str, Any]]:
    if isinstance(table, pl.DataFrame):
        return table.to_dicts()
    if isinstance(table, pa.Table):
        return table.to_pylist()
    assert isinstance(table, pd.DataFrame)
    return pl.from_pandas(table).to_dicts()  # which takes the gaps of pandas for nulls


@pytest.fixture
def client(qcache_node: QCacheServer) -> Iterator[QClient]:
    with QClient([qcache_node.url], **PATIENT) as client:
        yield client


@pytest.fixture
def frame_key(client: QClient, fresh_key: Callable[[], str]) -> str:
    """The key of a stored frame: `FRAME`."""
    key = fresh_key()
    client.post(key, FRAME)
    return key


@pytest.mark.parametrize("codec", [None, "by name"])
@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_comes_back_with_what_it_held(
    client: QClient, fresh_key: Callable[[], str], library: str, codec: str | None
) -> None:
    key, frame = fresh_key(), FRAMES[library]
    client.post(key, frame, codec=codec and library)
    found = client.get(key, QUERY, codec=library)
    assert type(found) is type(frame)
    assert rows_of(found) == HELD


@pytest.mark.parametrize("codec", [PolarsTable(), PandasTable(), ArrowTable()])
def test_what_one_library_stored_the_others_read(
    client: QClient, frame_key: str, codec: Any
) -> None:
    assert rows_of(client.get(frame_key, QUERY, codec=codec)) == HELD


def test_a_result_becomes_any_table(client: QClient, frame_key: str) -> None:
    result = client.get(frame_key, QUERY)
    assert isinstance(result, QueryResult)
    assert rows_of(result.to_polars()) == HELD
    assert rows_of(result.to_pandas()) == HELD
    assert rows_of(result.to_arrow()) == HELD
    assert result.decode(Rows()) == result.rows() == HELD
    as_csv = client.get(frame_key, {"select": ["whole"], "limit": 1}, accept="text/csv")
    assert as_csv.decode(Csv()) == "whole\n1\n"
    assert as_csv.to_polars().to_dicts() == [{"whole": 1}]


def test_the_codec_asks_for_its_format(client: QClient, frame_key: str) -> None:
    query = {"select": ["text", "whole"], "limit": 1}
    assert client.get(frame_key, query, codec="csv") == "text,whole\n007,1\n"
    assert client.get(frame_key, query, codec="rows") == [{"text": "007", "whole": 1}]
    as_text = client.get(frame_key, query, accept="text/csv", codec="rows")
    assert as_text == [{"text": "007", "whole": "1"}]
    assert client.get(frame_key, query, accept="application/json", codec="csv") == (
        "text,whole\n007,1\n"
    ), "the default leaves the format to the codec"


def test_a_query_in_a_body_is_decoded_as_well(client: QClient, frame_key: str) -> None:
    found = client.get(frame_key, QUERY, post_query=True, codec="polars")
    assert rows_of(found) == HELD


def test_enums_are_enums(client: QClient, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    kinds = pl.Series("kind", ["b", "a", "b"], dtype=pl.Enum(["b", "a"]))
    client.post(key, pl.DataFrame([kinds]))
    found = client.get(key, {"where": ["==", "kind", "'b'"]}, codec="polars")
    assert found.to_dicts() == [{"kind": "b"}] * 2


def test_no_table_is_none_with_a_codec_too(client: QClient, fresh_key: Callable[[], str]) -> None:
    assert client.get(fresh_key(), {}, codec="polars") is None


def test_a_frame_without_rows(client: QClient, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    client.post(key, FRAME.clear())
    assert client.get(key, {}, codec="polars").is_empty()
    assert client.get(key, QUERY, codec="csv") == ",".join(FRAME.columns) + "\n"


def test_types_of_the_caller_go_before_those_of_the_frame(
    client: QClient, fresh_key: Callable[[], str]
) -> None:
    key, frame = fresh_key(), pl.DataFrame({"a": ["007"], "b": ["1"]})
    client.post(key, frame, types={"b": "float"})
    assert client.get(key, {}, codec="rows") == [{"a": "007", "b": 1.0}]
    client.post(key, frame, post_headers={"x-qcache-types": "b=string"})
    assert client.get(key, {}, codec="rows") == [{"a": 7, "b": "1"}]


@pytest.mark.parametrize("compression", ["gzip", "lz4"])
def test_large_frames_packed(
    qcache_node: QCacheServer, fresh_key: Callable[[], str], compression: str
) -> None:
    key = fresh_key()
    frame = pl.DataFrame({"n": range(50_000), "t": [f"row {n}" for n in range(50_000)]})
    with QClient([qcache_node.url], compression=compression, **PATIENT) as client:
        client.post(key, frame)
        found = client.get(key, {"select": ["n", "t"]}, codec="polars")
        client.delete(key)
    assert found.equals(frame)


# The codec of a client


def test_a_client_has_a_codec_that_calls_may_override(
    qcache_node: QCacheServer, fresh_key: Callable[[], str]
) -> None:
    key = fresh_key()
    with QClient([qcache_node.url], **PATIENT, codec="arrow") as client:
        client.post(key, FRAME)
        assert isinstance(client.get(key, QUERY), pa.Table)
        assert isinstance(client.get(key, QUERY, codec=PolarsTable()), pl.DataFrame)
        assert isinstance(client.get(key, QUERY, codec=None), QueryResult)
        assert isinstance(client.query(key, QUERY, lambda: FRAME), pa.Table)
        pages = frames_of(client, key, QUERY, 2)
    assert [rows_of(page) for page in pages] == [HELD[:2], HELD[2:]]


class Lengths:
    """Tables are numbers of rows."""

    name = "lengths"
    content_type = "text/csv"
    accept = "text/csv"

    def encode(self, table: int, /) -> Any:
        return Csv().encode("n\n" + "1\n" * table)

    def decode(self, content: bytes | memoryview, content_type: str, /) -> int:
        return bytes(content).count(b"\n") - 1


def test_a_codec_of_ones_own(qcache_node: QCacheServer, fresh_key: Callable[[], str]) -> None:
    key, registry = fresh_key(), TableRegistry.default().with_codecs(Lengths())
    with QClient([qcache_node.url], **PATIENT, tables=registry) as client:
        client.post(key, 3, codec="lengths")
        assert client.get(key, {}, codec="lengths") == 3
        client.post(key, 4, codec=Lengths())
        assert client.get(key, {}, codec=Lengths()) == 4


# Loading


@pytest.mark.parametrize("library", FRAMES)
def test_load_functions_return_frames(
    client: QClient, fresh_key: Callable[[], str], library: str
) -> None:
    found = client.query(fresh_key(), QUERY, lambda: FRAMES[library], codec=library)
    assert type(found) is type(FRAMES[library])
    assert rows_of(found) == HELD


def test_load_functions_return_what_a_codec_encoded(
    client: QClient, fresh_key: Callable[[], str]
) -> None:
    def load(rows: int) -> Any:
        return Lengths().encode(rows)

    found = client.query(fresh_key(), {}, load, {"rows": 5}, codec=Lengths())
    assert found == 5


# Pages


def test_pages_are_frames(client: QClient, frame_key: str) -> None:
    query = {**QUERY, "order_by": ["-whole"]}
    pages = frames_of(client, frame_key, query, 2, codec="polars")
    assert [page.height for page in pages] == [2, 1]
    assert rows_of(pl.concat(pages, how="vertical_relaxed")) == [HELD[2], HELD[0], HELD[1]]
