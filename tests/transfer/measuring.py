"""What a transfer takes, in a process of its own: `python -m tests.transfer.measuring STEP ...`.

    fill URL ENTRIES MEGABYTES      make a store with small entries, and documents
    write URL ENTRIES MEGABYTES     the same with nothing but `put_many`; seconds
    copy FROM TO                    seconds
    copy-only FROM TO               seconds, without the comparison at the end
    dump URL FILE                   seconds
    restore FILE URL                seconds
    compare FROM TO                 fail unless both stores have the same entries

Prints a line of JSON: seconds, and the peak of the memory of the process in bytes.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from storekit import transfer
from storekit.qdb import RawClient
from tests.support.peak_memory import resident

LATER = datetime(2100, 1, 1, tzinfo=UTC)
SLICE = 10 << 20
DOCUMENT = 10  # slices


def small(count: int) -> Iterator[tuple[str, bytes]]:
    """Give entries of about a hundred bytes, each another."""
    noise = random.Random(1).randbytes(1 << 16)
    for number in range(count):
        start = number * 31 % 65_000
        yield f"entry/{number * 2_654_435_761 % 2**32:08x}/{number}", noise[start : start + 100]


def pieces(megabytes: int) -> Iterator[bytes]:
    """Give slices, each another."""
    noise = random.Random(2).randbytes(SLICE)
    for number in range(megabytes * (1 << 20) // SLICE):
        yield number.to_bytes(8, "big") + noise[8:]


def fill(url: str, entries: int, megabytes: int) -> None:
    with RawClient(url) as client:
        left = small(entries)
        client.put_many(itertools.islice(left, entries // 20), LATER).raise_for_failures()
        client.put_many(left).raise_for_failures()
        for number in range(entries // 100):
            client.int_put(f"integer/{number}", number)
            if number % 10 == 0:
                client.attach_tag(f"integer/{number}", f"tag {number % 7}")
        slices = pieces(megabytes)
        for number in itertools.count():
            some = b"".join(itertools.islice(slices, DOCUMENT))
            if not some:
                break
            client.upload(io.BytesIO(some), f"document {number}")


def write(url: str, entries: int, megabytes: int) -> None:
    with RawClient(url) as client:
        client.put_many(small(entries)).raise_for_failures()
        named = ((f"slice {number}", each) for number, each in enumerate(pieces(megabytes)))
        client.put_many(named).raise_for_failures()


def compare(source: str, target: str) -> None:
    """Compare by what clients have for it, which is not what transfers use."""
    kinds = ("blob", "integer", "double", "string", "timestamp", "tag")
    with RawClient(source) as here, RawClient(target) as there:
        for kind in kinds:
            aliases = sorted(here.find(f"type={kind}"))
            assert aliases == sorted(there.find(f"type={kind}")), kind
            for alias in aliases:
                assert here.get_expiry_time(alias) == there.get_expiry_time(alias)
            if kind == "integer":
                for alias in aliases:
                    assert here.int_get(alias) == there.int_get(alias)
                    assert here.get_tags(alias) == there.get_tags(alias)
            elif kind == "blob":
                few = [alias for alias in aliases if alias.startswith("entry/")]
                for start in range(0, len(few), 100):
                    some = few[start : start + 100]
                    assert here.get_many(some) == there.get_many(some)
                for alias in aliases:
                    if not alias.startswith("entry/"):
                        assert here.get(alias) == there.get(alias)


def copy(source: str, target: str, *, verify: bool = True) -> None:
    with RawClient(source) as here, RawClient(target) as there:
        result = transfer.copy(here, there, verify=verify)
        assert result.written + result.unchanged == result.entries
        assert not result.changed


def dump(url: str, path: str) -> None:
    with RawClient(url) as client:
        transfer.dump(client, path)


def restore(path: str, url: str) -> None:
    with RawClient(url) as client:
        transfer.restore(path, client)


STEPS: dict[str, Callable[..., None]] = {
    "fill": fill,
    "write": write,
    "copy": copy,
    "dump": dump,
    "restore": restore,
}
STEPS |= {"compare": compare, "copy-only": partial(copy, verify=False)}

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    given = [int(each) if each.isdecimal() else each for each in arguments]
    began = time.perf_counter()
    STEPS[step](*given)
    seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"seconds": seconds, "peak": resident("VmHWM")}) + "\n")
