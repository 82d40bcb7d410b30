# Generated from tests/qcache/_async/real.py by tools/generate_sync.py; do not edit.

"""What the tests with the real server share."""

from __future__ import annotations

TABLE = b"a,b,s\n1,10,x\n2,20,y\n3,30,z\n"
ROWS = [{"a": 1, "b": 10, "s": "x"}, {"a": 2, "b": 20, "s": "y"}, {"a": 3, "b": 30, "s": "z"}]
PATIENT = {"connect_timeout": 20.0, "read_timeout": 20.0}


def large_table(rows: int) -> bytes:
    return b"n,text\n" + b"".join(b"%d,row number %d\n" % (n, n * n) for n in range(rows))
