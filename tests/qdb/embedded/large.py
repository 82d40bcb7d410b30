"""What the tests of large contents share."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from storekit.qdb.embedded.large_contents import LARGE_CONTENT

LARGE = bytes(range(256)) * (LARGE_CONTENT // 256)
LATER = LARGE[::-1] + b"1"


def beside(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}-large-*"))


def files(path: Path) -> list[str]:
    return sorted(name for directory in beside(path) for name in os.listdir(directory))


def named(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM dropped").fetchone() == (0,)
        return sorted(str(row[0]) for row in database.execute("SELECT file FROM large"))
