"""Decodes the pages of one result to tables with the same column types."""

# ruff: noqa: ANN401 - tables are of any type

import tempfile
from collections.abc import AsyncGenerator
from typing import Any

from storekit.codecs.loading import is_loaded
from storekit.codecs.tables.base import TableCodec
from storekit.core.seam._async import call_blocking
from storekit.qcache.result import QueryResult, codec_errors
from storekit.qcache.sampling import TableSample, TypedTableCodec

__all__ = ["decode", "uniform_pages"]

_DECODED_AT_ONCE = 32 * 1024
"""Bytes: from this size, results are decoded in a thread: it takes a millisecond or more."""


async def decode(result: QueryResult, codec: TableCodec[Any]) -> Any:
    """Decode a result to a table. Raises `CodecError`."""
    if len(result.content) < _DECODED_AT_ONCE and is_loaded(codec):
        return result.decode(codec)
    return await call_blocking(result.decode, codec)


async def uniform_pages(
    pages: AsyncGenerator[tuple[bool, QueryResult], None], codec: TableCodec[Any]
) -> AsyncGenerator[Any, None]:
    """Decode pages, each given with whether it is the last, to tables with the same column types.

    Only the tables of a `TypedTableCodec` have column types. With other codecs, each page is
    decoded when it arrives.
    """
    if not isinstance(codec, TypedTableCodec):
        async for _, page in pages:
            yield await decode(page, codec)
        return
    is_last, first = await anext(pages)
    if is_last:
        yield await decode(first, codec)
        return
    sample = TableSample()
    sizes: list[int] = []
    with tempfile.TemporaryFile() as file:

        def keep(page: QueryResult) -> None:
            sample.add(page.content, page.content_type)
            file.write(page.content)
            sizes.append(len(page.content))

        await call_blocking(keep, first)
        async for _, page in pages:
            await call_blocking(keep, page)
        file.seek(0)

        def next_table(size: int) -> Any:
            content = file.read(size)
            with codec_errors(codec, first.key):
                return sample.decode(codec, content, first.content_type)

        for size in sizes:
            yield await call_blocking(next_table, size)
