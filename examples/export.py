"""A long result into a file, page by page: CSV, JSON lines, Parquet or Arrow by its name.

Run it:  python -m examples.export      (needs: pip install 'storekit[embedded,tables]')
"""

import tempfile
from pathlib import Path

import polars as pl

from storekit.qcache import QClient
from storekit.qcache.query import Query, col

ROWS = 50_000


def main() -> None:
    frame = pl.DataFrame({"n": range(ROWS), "name": [f"name {n % 100}" for n in range(ROWS)]})
    query = Query().where(col("n") >= 10_000).order_by("n")
    with QClient(["embedded:"]) as client, tempfile.TemporaryDirectory() as directory:
        client.post("numbers", frame)
        for name in ("out.csv", "out.jsonl", "out.parquet", "out.arrow"):
            path = Path(directory, name)
            rows = client.export("numbers", query, path)
            client.post("again", path)  # what was exported can be posted as it is
            again = client.get("again", Query().order_by("n"))
            print(name, rows, again == client.get("numbers", query))


if __name__ == "__main__":
    main()
