"""The commands `ttl`, `incr` and `tag`, which change an entry in place."""

from datetime import UTC, datetime

import click

from storekit.cli.exits import REFUSED, USAGE, CommandError
from storekit.cli.invocation import Invocation, command
from storekit.cli.output import shown_duration
from storekit.cli.parameters import duration
from storekit.cli.stores import open_qdb, open_to_read

__all__ = ["incr_", "tag_", "ttl_"]


@command("ttl", short_help="Show or set when an entry expires.")
@click.argument("key")
@click.argument("time", required=False)
def ttl_(invocation: Invocation, key: str, time: str | None) -> None:
    """Show when an entry expires, or set that.

    TIME is from now: 30 or 30s, 5m, 2h, 1d, 1w; or never.
    """
    expiry = None if time is None else duration(time)
    with open_to_read(invocation) as client:
        if time is not None:
            client.expires_at(key, expiry)
        expires = client.get_expiry_time(key)
    if expires is None:
        invocation.output.result(key=key, ttl=None, expires=None)
        invocation.output.line("never")
        return
    left = max(0.0, (expires - datetime.now(UTC)).total_seconds())
    invocation.output.result(key=key, ttl=round(left, 3), expires=expires.isoformat())
    invocation.output.line(f"{shown_duration(left)}, until {expires:%Y-%m-%d %H:%M:%S} UTC")


@command("incr", short_help="Add to a number atomically, and print the sum.")
@click.argument("key")
@click.argument("by", default="1")
@click.option("--create", is_flag=True, help="Create the entry if it does not exist.")
def incr_(invocation: Invocation, key: str, by: str, *, create: bool) -> None:
    """Add BY, by default 1, to an entry of type integer or double. Print the sum.

    This is one atomic operation. To subtract, write `storekit incr KEY -- -1`.
    """
    from storekit.qdb import (  # noqa: PLC0415 - loads a client
        AliasAlreadyExists,
        AliasNotFound,
        IncompatibleType,
    )

    addend = _number(by)
    with open_qdb(invocation) as client:

        def add() -> float:
            if isinstance(addend, float):
                return client.double_add(key, addend)
            try:
                return client.int_add(key, addend)
            except IncompatibleType:
                return client.double_add(key, float(addend))

        try:
            total = add()
        except AliasNotFound:
            if not create:
                raise
            try:
                if isinstance(addend, float):
                    client.double_put(key, addend)
                else:
                    client.int_put(key, addend)
                total = addend
            except AliasAlreadyExists:  # another client was first
                total = add()
        except IncompatibleType as error:
            kind = client.get_metadata(key).type.name.lower()
            raise CommandError(
                f"{key!r} is a {kind}, not an integer or double; `storekit put --type integer` "
                "stores one",
                REFUSED,
            ) from error
    invocation.output.result(key=key, value=total)
    invocation.output.line(f"{total}")


def _number(text: str) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise CommandError(f"{text!r} is not a number", USAGE)


@command("tag", short_help="Show the tags of an entry, attach or detach some.")
@click.argument("key")
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--rm", "detached", multiple=True, metavar="TAG", help="Detach a tag. Repeatable.")
def tag_(
    invocation: Invocation, key: str, tags: tuple[str, ...], detached: tuple[str, ...]
) -> None:
    """Attach TAGs to an entry, and print all of its tags.

    `storekit ls --tag TAG` lists the entries with a tag.
    """
    from storekit.qdb import TagAlreadySet, TagNotSet  # noqa: PLC0415 - loads a client

    with open_to_read(invocation) as client:
        for tag in tags:
            try:
                client.attach_tag(key, tag)
            except TagAlreadySet:
                continue
        for tag in detached:
            try:
                client.detach_tag(key, tag)
            except TagNotSet:
                invocation.output.note(f"{key!r} did not have the tag {tag!r}")
        found = sorted(client.get_tags(key))
    invocation.output.result(key=key, tags=found)
    for each in found:
        invocation.output.line(each)
