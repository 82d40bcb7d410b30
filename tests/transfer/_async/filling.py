"""Stores with something of everything in them, and what is in a store."""

import datetime
import io

__all__ = ["DAY", "DOCUMENT", "contents", "fill"]

DAY = datetime.timedelta(days=1)
DOCUMENT = bytes(range(256)) * 9000
_LATER = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + DAY


async def fill(client, *, small=20):
    """Store entries of all types, with tags and times of expiry, and a document."""
    await client.put_many((f"small/{number}", b"%d" % number * 20) for number in range(small))
    await client.put("empty", b"")
    await client.put("codec", b"\x80\x04N.")
    await client.put("Größe\u2028\U0001f980", b"odd alias", _LATER)
    await client.put("a" * 1024, b"long alias")
    await client.put(" ", b"blank")
    await client.put("large", bytes(1 << 20) + b"!")
    await client.int_put("integer", -(2**63))
    await client.int_put("integer/expires", 1, _LATER + DAY)
    await client.double_put("double", 0.1)
    await client.double_put("double/none", float("nan"))
    await client.double_put("double/infinite", float("-inf"))
    await client.string_put("string", "ä\0\n")
    await client.timestamp_put("timestamp", -1)
    for alias in ("integer", "string", "Größe\u2028\U0001f980", "large"):
        await client.attach_tag(alias, "tag")
    await client.attach_tag("integer", "Größe der Tags")
    await client.attach_tag("tag", "tag of tags")
    await client.attach_tag("empty", "tag of nothing")
    await client.detach_tag("empty", "tag of nothing")
    await client.upload(io.BytesIO(DOCUMENT), "a document", slice_size=1 << 20)


async def contents(client):
    """Return all that there is to know of the entries of a store, by alias."""
    found = {}
    for kind in ("blob", "integer", "double", "string", "timestamp", "tag"):
        for alias in await client.find(f"type={kind}"):
            value = None
            if kind == "blob":
                value = await client.get(alias)
            elif kind == "integer":
                value = await client.int_get(alias)
            elif kind == "double":
                value = repr(await client.double_get(alias))
            elif kind == "string":
                value = await client.string_get(alias)
            elif kind == "timestamp":
                value = await client.timestamp_get_ns(alias)
            expiry = await client.get_expiry_time(alias)
            found[alias] = kind, value, expiry, sorted(await client.get_tags(alias))
    return found
