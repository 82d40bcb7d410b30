"""How a table is stored in QuasarDB, so that it can be posted to QCache as it was given."""

import json
from typing import TYPE_CHECKING

from storekit.codecs.tables.base import CSV, JSON, TableContent, media_type
from storekit.errors import CodecError, StoreKitError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PREFIX",
    "StaleCache",
    "alias_of",
    "check_table",
    "pack_table",
    "unpack_table",
    "version_of",
]

PREFIX = "table/"
"""Of the aliases of tables."""

_MAGIC = b"storekit table 1 "


class StaleCache(StoreKitError):
    """QuasarDB has the change, but QCache could not be told: it may answer from before.

    To put the table once more, or `forget_table`, brings QCache up to date.
    """


def alias_of(name: str) -> str:
    """Return the alias of a table."""
    return PREFIX + name


def version_of(name: str) -> str:
    """Return the alias of what changes with each change of a table."""
    return f"{PREFIX}{name}/version"


def pack_table(table: TableContent) -> bytes:
    """Return content and types of a table in one piece."""
    head = {"content_type": table.content_type, "types": dict(table.types)}
    return _MAGIC + json.dumps(head).encode() + b"\n" + table.content


def unpack_table(stored: bytes | memoryview, alias: str) -> TableContent:
    """Return what was packed. Raises `CodecError`."""
    content = bytes(stored)
    head, end, rest = content.partition(b"\n")
    try:
        if not head.startswith(_MAGIC) or not end:
            raise ValueError("it does not begin as one")
        fields: Mapping[str, object] = json.loads(head[len(_MAGIC) :])
        content_type, types = fields["content_type"], fields["types"]
        if not isinstance(content_type, str) or not isinstance(types, dict):
            raise TypeError("its head is of other types")
        return check_table(TableContent(rest, content_type, types))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CodecError(
            "the entry is no table of put_table's", codec="storekit table", key=alias
        ) from error


def check_table(table: TableContent) -> TableContent:
    """Return a table that QCache can be given. Raises `TypeError` and `ValueError`."""
    # These load httpx, which is there: a client of QCache has been made.
    from storekit.qcache.tables import check_upload  # noqa: PLC0415
    from storekit.qcache.wire import merge_headers  # noqa: PLC0415

    check_upload(table, None)
    headers: dict[str, object] = {"Content-Type": table.content_type}
    if table.types:
        headers["X-QCache-types"] = table.types
    merge_headers({}, headers)
    if media_type(table.content_type) not in (CSV, JSON):
        raise ValueError(f"QCache takes {CSV} and {JSON}, not {table.content_type[:100]!r}")
    return table
