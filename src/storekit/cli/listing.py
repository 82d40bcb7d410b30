"""The commands `ls` and `stat`: list entries, show the metadata of one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from storekit.cli.invocation import Invocation, command
from storekit.cli.output import shown_size, visible
from storekit.cli.stores import open_to_read

if TYPE_CHECKING:
    from storekit.qdb import EntryMetadata, RawClient

__all__ = ["ls_", "stat_"]

_ALL_TYPES = ("blob", "integer", "double", "string", "timestamp")


@command("ls", short_help="List entries.")
@click.argument("prefix", default="")
@click.option("--tag", metavar="TAG", help="Only entries with this tag.")
@click.option("-l", "--long", is_flag=True, help="With type, size, and times.")
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="At most N entries.")
@click.option("--count", is_flag=True, help="Only print their number.")
@click.option("--no-pager", is_flag=True, help="Use no pager on a terminal.")
def ls_(
    invocation: Invocation,
    prefix: str,
    tag: str | None,
    limit: int | None,
    *,
    long: bool,
    count: bool,
    no_pager: bool,
) -> None:
    """List the entries whose keys begin with PREFIX, by default all, in order.

    This includes the entries of documents; `storekit docs` lists documents.
    """
    output = invocation.output
    with open_to_read(invocation) as client:
        keys = _keys(client, prefix, tag, limit)
        if count:
            output.result(prefix=prefix, count=len(keys))
            output.line(f"{len(keys)}")
            return
        if invocation.json:
            for key in keys:
                details = _details(client.get_metadata(key)) if long else {}
                output.json({"key": key, **details})
            return
        lines = _long_lines(client, keys) if long else iter(keys)
        show = output.lines if no_pager else output.pages
        show(lines)


def _keys(client: "RawClient", prefix: str, tag: str | None, limit: int | None) -> list[str]:
    """Return keys in the order of their bytes."""
    if tag is not None:
        keys = [key for key in client.get_tagged(tag) if key.startswith(prefix)]
    elif prefix:
        return client.prefix_get(prefix) if limit is None else client.prefix_get(prefix, limit)
    else:
        keys = _all_keys(client)
    return sorted(keys)[:limit]


def _all_keys(client: "RawClient") -> list[str]:
    from storekit.qdb import InvalidQuery, NotImplementedByStore  # noqa: PLC0415 - loads a client

    try:
        return client.find(" or ".join(f"type={each}" for each in _ALL_TYPES))
    except (InvalidQuery, NotImplementedByStore):
        return [*client.aliases()]  # only blobs, and slower: it also reads their contents


def _long_lines(client: "RawClient", keys: list[str]) -> Iterator[str]:
    from storekit.qdb import AliasNotFound  # noqa: PLC0415 - loads a client

    for key in keys:
        try:
            found = client.get_metadata(key)
        except AliasNotFound:
            continue  # removed meanwhile
        expires = "never" if found.expiry is None else f"{found.expiry:%Y-%m-%d %H:%M:%S}"
        kind = found.type.name.lower()
        modified = f"{found.modified:%Y-%m-%d %H:%M:%S}"
        yield f"{kind:9}  {shown_size(found.size):>10}  {modified}  {expires:19}  {visible(key)}"


def _details(found: "EntryMetadata") -> dict[str, object]:
    return {
        "type": found.type.name.lower(),
        "size": found.size,
        "modified": found.modified.isoformat(),
        "expires": None if found.expiry is None else found.expiry.isoformat(),
    }


@command("stat", short_help="Show type, size, times and tags of an entry.")
@click.argument("key")
def stat_(invocation: Invocation, key: str) -> None:
    """Show type, size, times and tags of an entry."""
    output = invocation.output
    with open_to_read(invocation) as client:
        found = client.get_metadata(key)
        tags = sorted(client.get_tags(key))
    output.result(key=key, **_details(found), tags=tags)
    expires = "never" if found.expiry is None else f"{found.expiry:%Y-%m-%d %H:%M:%S} UTC"
    rows = [
        ("key", key),
        ("type", found.type.name.lower()),
        ("size", f"{shown_size(found.size)} ({found.size:,} bytes)"),
        ("modified", f"{found.modified:%Y-%m-%d %H:%M:%S} UTC"),
        ("expires", expires),
        ("tags", ", ".join(tags) or "none"),
    ]
    for line in output.columns(rows):
        output.line(line)
