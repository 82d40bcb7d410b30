"""The commands `query` and `post`: tables of QCache."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from storekit._extras import require
from storekit.cli.exits import INTERRUPTED, NOT_FOUND, USAGE, CommandError
from storekit.cli.files import whole_file
from storekit.cli.invocation import Invocation, command
from storekit.cli.output import shown_size
from storekit.cli.progress import Report, progress_bar
from storekit.cli.stores import open_qcache
from storekit.cli.tabular import table_lines

if TYPE_CHECKING:
    from storekit.qcache import QueryResult

__all__ = ["post_", "query_"]

FORMATS = ("table", "csv", "json", "parquet")

_MOST_ROWS = 1000
"""Default limit of rows in the format table."""


@command("query", short_help="Query a table, by SQL or JSON.")
@click.argument("key", required=False)
@click.argument("query", required=False, metavar="[JSON|-]")
@click.option("--sql", metavar="SELECT", help="The query as SQL. Its table is KEY.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="By default a table on a terminal, else CSV.",
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows.")
@click.option("-o", "--output", "file", metavar="FILE", help="Write to a file.")
@click.option("--no-pager", is_flag=True, help="Use no pager on a terminal.")
def query_(
    invocation: Invocation,
    key: str | None,
    query: str | None,
    sql: str | None,
    kind: str | None,
    limit: int | None,
    file: str | None,
    *,
    no_pager: bool,
) -> None:
    """Query the table KEY. Without a query, print all of its rows.

    The query is in QCache's JSON, or SQL: --sql "select a from KEY where b > 1".
    """
    output = invocation.output
    kind = kind or _kind_of(invocation, file)
    key, q = _parsed(key, query, sql)
    is_cut = False
    if limit is not None:
        q["limit"] = limit if "limit" not in q else min(limit, q["limit"])
    elif kind == "table" and "limit" not in q:
        q["limit"], is_cut = _MOST_ROWS, True
    if kind == "parquet" and file is None:
        output.refuse_terminal("Parquet", "give a file with --output")
    if kind == "parquet":
        require("Parquet", "arrow", "pyarrow")
    accept = "text/csv" if kind == "csv" else "application/json"
    with open_qcache(invocation) as client:
        result: QueryResult | None = client.get(key, q, accept, codec=None)
    if result is None:
        raise CommandError(f"there is no table {key!r}", NOT_FOUND)
    if kind == "table" and file is None:
        rows = result.rows()
        lines = table_lines(rows, output.width)
        show = output.lines if no_pager else output.pages
        show(lines)
        if is_cut and len(rows) < result.unsliced_result_len:
            more = f"{len(rows):,} of {result.unsliced_result_len:,} rows"
            output.note(f"{more}; --limit N shows more")
        return
    if file is None:
        _write(result, kind, output.stream(), lines=invocation.json)
        output.stream().flush()
        return
    with whole_file(Path(file)) as opened:
        _write(result, kind, opened, lines=invocation.json)


def _kind_of(invocation: Invocation, file: str | None) -> str:
    if file is not None:
        suffix = Path(file).suffix.removeprefix(".").lower()
        return suffix if suffix in FORMATS else "csv"
    if invocation.json:
        return "json"
    return "table" if invocation.output.is_terminal else "csv"


def _parsed(key: str | None, query: str | None, sql: str | None) -> tuple[str, dict[str, Any]]:
    """Return the key and the query. Raises `CommandError`, `UnsupportedSql`."""
    if sql is not None:
        from storekit.qcache.sql import parse  # noqa: PLC0415 - only for SQL

        if query is not None:
            raise CommandError("give a query as JSON or as --sql, not both", USAGE)
        table, parsed = parse(sql)
        if key not in {None, table}:
            raise CommandError(f"KEY is {key!r}, and the table of the query {table!r}", USAGE)
        return table, {**parsed}
    if key is None:
        raise CommandError("give the KEY of a table, or --sql", USAGE)
    text = sys.stdin.read() if query == "-" else query
    try:
        found = {} if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"the query is not valid JSON: {error}", USAGE) from error
    if not isinstance(found, dict):
        raise CommandError('a query is a JSON object, e.g. {"select": ["a"]}', USAGE)
    return key, found


def _write(result: "QueryResult", kind: str, file: BinaryIO, *, lines: bool) -> None:
    if kind == "parquet":
        table = result.to_arrow()
        sink = io.BytesIO()
        import_module("pyarrow.parquet").write_table(table, sink)
        file.write(sink.getbuffer())
    elif kind == "json" and lines:
        file.writelines(
            json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in result.json()
        )
    elif kind == "table":
        file.writelines(line.encode() + b"\n" for line in table_lines(result.rows(), 120))
    else:
        file.write(result.content)
        if not result.content.endswith(b"\n"):
            file.write(b"\n")


@command("post", short_help="Store a table, from CSV, JSON or Parquet.")
@click.argument("key")
@click.argument("file", metavar="FILE|-")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="COLUMN=TYPE",
    help="Type of a column of CSV: string, enum, float, int, bool. Repeatable.",
)
def post_(invocation: Invocation, key: str, file: str, types: tuple[str, ...]) -> None:
    """Store a table under KEY, or replace it.

    FILE is CSV, JSON, JSON lines, Parquet or Arrow; - is standard input.
    """
    columns = dict(_column_type(each) for each in types)
    path = Path(file)
    with open_qcache(invocation) as client, _content(invocation, key, path) as (content, sent):
        try:
            client.post(key, content, types=columns or None)
        except KeyboardInterrupt as error:
            message = f"interrupted; there may be no table {key!r} now: post it again"
            raise CommandError(message, INTERRUPTED) from error
    size = sent()
    invocation.output.result(key=key, size=size)
    invocation.output.line(f"{key}: {shown_size(size)} posted")


def _column_type(text: str) -> tuple[str, str]:
    column, equals, kind = text.rpartition("=")
    if not equals or not column:
        raise CommandError(f"--type is COLUMN=TYPE, not {text!r}", USAGE)
    return column, kind


@contextmanager
def _content(
    invocation: Invocation, key: str, path: Path
) -> "Iterator[tuple[Path | _Counted, Callable[[], int]]]":
    """Return a context manager for the content to post and a function that returns its size."""
    from storekit.qcache.formats import PEEK, format_of  # noqa: PLC0415 - loads a client

    if str(path) == "-":
        with progress_bar(invocation, key) as report:
            counted = _Counted(sys.stdin.buffer, report)
            yield counted, lambda: counted.done
        return
    with path.open("rb") as file:
        size = path.stat().st_size
        kind, _ = format_of(file.read(PEEK), path.name)
        file.seek(0)
        if kind in {"parquet", "arrow"}:  # not streamed: their readers need the path
            yield path, lambda: size
            return
        with progress_bar(invocation, key, size) as report:
            counted = _Counted(file, report)
            yield counted, lambda: counted.done


class _Counted:
    """A file that reports how much of it was read."""

    def __init__(self, file: BinaryIO, report: Report) -> None:
        self._file = file
        self._report = report
        self.name = getattr(file, "name", "")
        self.done = 0

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self.done += len(piece)
        self._report(self.done, None)
        return piece

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, position: int) -> int:
        self.done = self._file.seek(position)
        return self.done
