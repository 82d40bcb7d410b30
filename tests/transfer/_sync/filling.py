# Generated from tests/transfer/_async/filling.py by tools/generate_sync.py; do not edit.

"""Stores with something of everything in them, and what is in a store."""

import datetime
import io

__all__ = ["DAY", "DOCUMENT", "contents", "fill"]

DAY = datetime.timedelta(days=1)
DOCUMENT = bytes(range(256)) * 9000
_LATER = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + DAY


def fill(client, *, small=20):
    """Store entries of all types, with tags and times of expiry, and a document."""
    client.put_many((f"small/{number}", b"%d" % number * 20) for number in range(small))
    client.put("empty", b"")
    client.put("codec", b"\x80\x04N.")
    client.put("Größe\u2028\U0001f980", b"odd alias", _LATER)
    client.put("a" * 1024, b"long alias")
    client.put(" ", b"blank")
    client.put("large", bytes(1 << 20) + b"!")
    client.int_put("integer", -(2**63))
    client.int_put("integer/expires", 1, _LATER + DAY)
    client.double_put("double", 0.1)
    client.double_put("double/none", float("nan"))
    client.double_put("double/infinite", float("-inf"))
    client.string_put("string", "ä\0\n")
    client.timestamp_put("timestamp", -1)
    for alias in ("integer", "string", "Größe\u2028\U0001f980", "large"):
        client.attach_tag(alias, "tag")
    client.attach_tag("integer", "Größe der Tags")
    client.attach_tag("tag", "tag of tags")
    client.attach_tag("empty", "tag of nothing")
    client.detach_tag("empty", "tag of nothing")
    client.upload(io.BytesIO(DOCUMENT), "a document", slice_size=1 << 20)


def contents(client):
    """Return all that there is to know of the entries of a store, by alias."""
    found = {}
    for kind in ("blob", "integer", "double", "string", "timestamp", "tag"):
        for alias in client.find(f"type={kind}"):
            value = None
            if kind == "blob":
                value = client.get(alias)
            elif kind == "integer":
                value = client.int_get(alias)
            elif kind == "double":
                value = repr(client.double_get(alias))
            elif kind == "string":
                value = client.string_get(alias)
            elif kind == "timestamp":
                value = client.timestamp_get_ns(alias)
            expiry = client.get_expiry_time(alias)
            found[alias] = kind, value, expiry, sorted(client.get_tags(alias))
    return found
