"""The form in which tables are stored in QuasarDB, so that they can be posted to QCache later."""

import json
import math
import re
import uuid
from typing import TYPE_CHECKING

from storekit.codecs.tables.base import CSV, JSON, TableContent, media_type
from storekit.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "KEPT_FOR",
    "PREFIX",
    "alias_of",
    "check_age",
    "check_table",
    "content_alias",
    "key_of",
    "new_version",
    "pack_table",
    "pack_version",
    "unpack_table",
    "unpack_version",
]

PREFIX = "table/"
"""The beginning of the aliases of tables."""

KEPT_FOR = 60.0
"""Seconds for which the content of a version is kept after a newer one was stored."""

_TABLE = b"storekit table 1 "
_VERSION = b"storekit table version 1 "
_VERSION_TEXT = re.compile(rb"[0-9a-f]{32}")


def alias_of(name: str) -> str:
    """Return the alias of the entry with the newest version of a table."""
    return PREFIX + name


def content_alias(name: str, version: str) -> str:
    """Return the alias of the content of one version."""
    return f"{PREFIX}{name}/{version}"


def key_of(name: str, version: str) -> str:
    """Return the key of one version in QCache."""
    return f"{name}-{version}"


def new_version() -> str:
    """Return a new, unique version."""
    return uuid.uuid4().hex


def pack_version(version: str) -> bytes:
    """Return a version in the form in which it is stored."""
    return _VERSION + version.encode()


def unpack_version(stored: bytes | memoryview, alias: str) -> str:
    """Return the version from its stored form. Raises `CodecError`."""
    content = bytes(stored)
    text = content.removeprefix(_VERSION)
    if not content.startswith(_VERSION) or not _VERSION_TEXT.fullmatch(text):
        raise CodecError("the entry was not stored by put_table", codec="storekit table", key=alias)
    return text.decode()


def pack_table(table: TableContent) -> bytes:
    """Return content and types of a table in the form in which they are stored."""
    head = {"content_type": table.content_type, "types": dict(table.types)}
    return _TABLE + json.dumps(head).encode() + b"\n" + table.content


def unpack_table(stored: bytes | memoryview, alias: str) -> TableContent:
    """Return a table from its stored form. Raises `CodecError`."""
    content = bytes(stored)
    head, end, rest = content.partition(b"\n")
    try:
        if not head.startswith(_TABLE) or not end:
            raise ValueError("it does not begin as a stored table does")
        fields: Mapping[str, object] = json.loads(head[len(_TABLE) :])
        content_type, types = fields["content_type"], fields["types"]
        if not isinstance(content_type, str) or not isinstance(types, dict):
            raise TypeError("its header has fields of wrong types")
        return check_table(TableContent(rest, content_type, types))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CodecError(
            "the entry was not stored by put_table", codec="storekit table", key=alias
        ) from error


def check_age(max_age: object) -> None:
    """Raise `TypeError` or `ValueError` unless `max_age` is a valid number of seconds."""
    if isinstance(max_age, bool) or not isinstance(max_age, int | float):
        raise TypeError(f"max_age must be a number of seconds, not {max_age!r}")
    if not 0 <= max_age < math.inf:
        raise ValueError(f"max_age must be 0 seconds or more, and finite, not {max_age!r}")


def check_table(table: TableContent) -> TableContent:
    """Return a table if it can be posted to QCache. Raises `TypeError` and `ValueError`."""
    # These load httpx.
    from storekit.qcache.tables import check_upload  # noqa: PLC0415
    from storekit.qcache.wire import merge_headers  # noqa: PLC0415

    check_upload(table)
    headers: dict[str, object] = {"Content-Type": table.content_type}
    if table.types:
        headers["X-QCache-types"] = table.types
    merge_headers({}, headers)
    if media_type(table.content_type) not in (CSV, JSON):
        raise ValueError(f"QCache takes {CSV} and {JSON}, not {table.content_type[:100]!r}")
    return table
