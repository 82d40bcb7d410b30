"""Print by how much one query through a QCache client raises the peak of a fresh process.

    python -m tests.support.peak_memory (asyncio|sync) URL

The first reply, which is small, loads all code and makes the connection; the second counts.
Prints the bytes of the content and those of the peak.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

from storekit.qcache import AsyncQClient, QClient


def resident(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s*(\d+) kB", status, re.MULTILINE)[1]) * 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def on_asyncio(url: str, report: Callable[[int, int], None]) -> None:
    async with AsyncQClient([url], read_timeout=20) as client:
        await client.get("small", {})
        reset_peak()
        before = resident("VmRSS")
        result = await client.get("large", {})
        report(len(result.content), resident("VmHWM") - before)


def on_sync(url: str, report: Callable[[int, int], None]) -> None:
    with QClient([url], read_timeout=20) as client:
        client.get("small", {})
        reset_peak()
        before = resident("VmRSS")
        result = client.get("large", {})
        report(len(result.content), resident("VmHWM") - before)


if __name__ == "__main__":
    world, url = sys.argv[1:]
    if world == "asyncio":
        asyncio.run(on_asyncio(url, print))
    else:
        on_sync(url, print)
