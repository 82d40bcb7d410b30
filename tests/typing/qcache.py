"""What type checkers make of the qcache clients; checked by them, never run."""

from typing import Any, assert_type

import polars as pl

from storekit.codecs.tables import Csv, PolarsTable, Rows, TableContent
from storekit.qcache import AsyncQClient, QClient, QueryResult


def load_frame() -> pl.DataFrame:
    return pl.DataFrame()


async def load_encoded() -> TableContent:
    return PolarsTable().encode(load_frame())


async def asynchronous() -> None:
    plain = AsyncQClient(["http://host:9401"])
    assert_type(plain, AsyncQClient[QueryResult])
    assert_type(await plain.get("key", {}), QueryResult | None)
    assert_type(await plain.get("key", {}, codec=PolarsTable()), pl.DataFrame | None)
    assert_type(await plain.get("key", {}, codec=Csv()), str | None)
    assert_type(await plain.get("key", {}, codec="polars"), Any | None)
    assert_type(await plain.query("key", {}, lambda: "a\n1\n"), QueryResult)
    assert_type(await plain.query("key", {}, load_frame, codec=Csv()), str)
    assert_type(await plain.query("key", {}, load_encoded, codec="csv"), Any)
    async for page in plain.pages("key", {}):
        assert_type(page, QueryResult)
    async for frame in plain.pages("key", {}, codec=PolarsTable()):
        assert_type(frame, pl.DataFrame)

    # The type of a client is that of its results.
    async with AsyncQClient(["http://host:9401"], codec=PolarsTable()) as client:
        assert_type(client, AsyncQClient[pl.DataFrame])
        assert_type(await client.get("key", {}), pl.DataFrame | None)
        assert_type(await client.get("key", {}, codec=None), QueryResult | None)
        assert_type(await client.get("key", {}, codec=Rows()), list[dict[str, Any]] | None)
        assert_type(await client.query("key", {}, load_frame), pl.DataFrame)
        async for frame in client.pages("key", {}):
            assert_type(frame, pl.DataFrame)

    named = AsyncQClient(["http://host:9401"], codec="polars")
    assert_type(named, AsyncQClient[Any])
    assert_type(await named.get("key", {}), Any | None)

    await plain.post("key", load_frame())
    await plain.post("key", await load_encoded())
    await plain.post("key", [{"a": 1}], "application/json")
    await plain.post("key", [{"a": 1}], codec=Rows())
    await plain.post("key", object(), codec="mine")
    await plain.post("key", 5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await plain.post("key", 5, codec=PolarsTable())  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]


def sync() -> None:
    plain = QClient(["http://host:9401"])
    assert_type(plain, QClient[QueryResult])
    assert_type(plain.get("key", {}), QueryResult | None)
    assert_type(plain.get("key", {}, codec=PolarsTable()), pl.DataFrame | None)
    assert_type(plain.query("key", {}, load_frame, codec=PolarsTable()), pl.DataFrame)
    for frame in plain.pages("key", {}, codec=PolarsTable()):
        assert_type(frame, pl.DataFrame)
    with QClient(["http://host:9401"], codec=PolarsTable()) as client:
        assert_type(client, QClient[pl.DataFrame])
        assert_type(client.get("key", {}), pl.DataFrame | None)
    plain.post("key", load_frame())


def of_a_result(result: QueryResult) -> None:
    assert_type(result.to_polars(), pl.DataFrame)
    assert_type(result.decode(PolarsTable()), pl.DataFrame)
    assert_type(result.decode(Csv()), str)


def without_parameters(client: QClient) -> None:
    """An annotation that names the class alone means what it always has."""
    assert_type(client.get("key", {}), QueryResult | None)
