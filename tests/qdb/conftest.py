from __future__ import annotations

from tests.qdb.libraries import (
    connect,
    counted,
    counters,
    door_path,
    door_session,
    handle,
    unconnected,
    vendor,
    vendor_path,
)

__all__ = [
    "connect",
    "counted",
    "counters",
    "door_path",
    "door_session",
    "handle",
    "unconnected",
    "vendor",
    "vendor_path",
]
