"""How a table is stored in QuasarDB, so that it can be posted to QCache as it was given."""

import json
from typing import TYPE_CHECKING

from storekit.codecs.tables.base import TableContent
from storekit.errors import CodecError, StoreKitError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PREFIX", "StaleCache", "alias_of", "pack_table", "unpack_table", "version_of"]

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
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CodecError(
            "the entry is no table of put_table's", codec="storekit table", key=alias
        ) from error
    return TableContent(rest, content_type, types)
