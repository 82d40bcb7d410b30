# Generated from tests/qcache/_async/test_streams.py by tools/generate_sync.py; do not edit.

"""Tables that come from files and iterators, and results that go to files."""

from __future__ import annotations

import gzip
import io
import json
import os
import pathlib
from collections.abc import Callable, Iterator

import polars as pl
import pyarrow.feather
import pyarrow.parquet
import pytest

from storekit.errors import CodecError
from storekit.options import RetryPolicy
from storekit.qcache import DatasetChanged, DatasetMissing, QClient, ServerError
from tests.support.stub_node import WAIT, Answer, Request, StubNode, reply

ROWS = [{"city": "Uppsala", "people": 177074}, {"city": "Lünd", "people": None}]
CSV = "city,people\nUppsala,177074\nLünd,\n"
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture
def client() -> Iterator[QClient]:
    with QClient(["embedded:"]) as client:
        yield client


def write(path: pathlib.Path) -> None:
    frame = pl.DataFrame(ROWS)
    name = path.name
    if name.endswith(".parquet"):
        frame.write_parquet(path)
    elif name.endswith(".arrow"):
        frame.write_ipc(path)
    else:
        kind = name.removesuffix(".gz").partition(".")[2]
        content = {"csv": CSV, "json": json.dumps(ROWS), "jsonl": LINES, "dat": CSV}[kind].encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


FILES = ["a.csv", "a.json", "a.jsonl", "a.csv.gz", "a.json.gz", "a.parquet", "a.arrow", "a.dat"]


@pytest.mark.parametrize("name", FILES)
def test_a_path_is_posted_as_what_is_in_the_file(
    client: QClient, tmp_path: pathlib.Path, name: str
) -> None:
    write(tmp_path / name)
    client.post("key", tmp_path / name)
    result = client.get("key", {"select": ["city", "people"]})
    assert result is not None
    assert result.rows() == ROWS


@pytest.mark.parametrize("name", FILES)
def test_an_open_file_is_posted_from_where_it_is(
    client: QClient, tmp_path: pathlib.Path, name: str
) -> None:
    write(tmp_path / name)
    with (tmp_path / name).open("rb") as file:
        client.post("key", file)
    result = client.get("key", {"select": ["city", "people"]})
    assert result is not None
    assert result.rows() == ROWS


@pytest.mark.parametrize("content", [CSV, json.dumps(ROWS), LINES, json.dumps(ROWS, indent=1)])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_are_posted_as_what_they_make_together(
    client: QClient, content: str, mark: str, size: int
) -> None:
    content = mark + content
    data = content.encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]

    def generate() -> Iterator[bytes]:
        for piece in pieces:
            yield piece

    for stream in (iter(pieces), generate(), io.BytesIO(data), io.StringIO(content)):
        client.delete("key")
        client.post("key", stream)
        result = client.get("key", {"select": ["city", "people"]})
        assert result is not None
        assert result.rows() == ROWS


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("content", [CSV, json.dumps(ROWS), LINES])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_text_is_posted_as_what_it_evidently_is(
    client: QClient, content: str, mark: str, as_text: bool
) -> None:
    content = mark + content
    client.post("key", content if as_text else content.encode())
    result = client.get("key", {"select": ["city", "people"]})
    assert result is not None
    assert result.rows() == ROWS


def test_a_byte_order_mark_before_json_is_not_sent(client: QClient, tmp_path: pathlib.Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(ROWS), "utf-8-sig")
    client.post("file", tmp_path / "rows.json")
    client.post("bytes", json.dumps(ROWS).encode("utf-8-sig"), "application/json")
    for key in ("file", "bytes"):
        result = client.get(key, {"select": ["city", "people"]})
        assert result is not None
        assert result.rows() == ROWS


def test_a_stream_is_sent_while_it_is_read_and_never_whole() -> None:
    rows, read_when_answered = 200_000, []
    piece = b"1,some text that takes its place\n" * 1000

    def generate() -> object:
        yield b"a,b\n"
        for number in range(rows // 1000):
            read_when_answered.append(number)
            yield piece

    def refuse(request: Request) -> Answer:
        return Answer(reply(201))

    with StubNode(refuse) as node:
        with QClient([node.url], WAIT, WAIT) as client:
            client.post("key", generate())
        assert len(node.requests[0].body) == 4 + rows * 33
        assert node.requests[0].headers["transfer-encoding"] == "chunked"


def test_what_fails_while_a_stream_is_read_is_raised(client: QClient) -> None:
    def generate() -> object:
        yield b"a\n" * 1000
        raise LookupError("no more rows")

    with pytest.raises(LookupError, match="no more rows"):
        client.post("key", generate())


def test_an_iterator_that_was_sent_is_not_sent_again(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")

    def busy(request: Request) -> Answer:
        return Answer(reply(503)) if len(node.requests) % 2 else Answer(reply(201))

    with StubNode(busy) as node:
        policy = RetryPolicy(attempts=3, initial_backoff=0, retry_writes=True)
        with QClient([node.url], WAIT, WAIT, retry=policy) as client:
            client.post("key", tmp_path / "a.csv")
            assert [request.body for request in node.requests] == [b"a\n1\n"] * 2
            with (tmp_path / "a.csv").open("rb") as file:
                client.post("key", file)
            assert [request.body for request in node.requests] == [b"a\n1\n"] * 4
            with pytest.raises(ServerError):
                client.post("key", iter([b"a\n", b"1\n"]))
            assert len(node.requests) == 5


def test_a_load_function_may_return_a_path_or_an_iterator(
    client: QClient, tmp_path: pathlib.Path
) -> None:
    write(tmp_path / "a.csv")
    for number, load in enumerate((lambda: tmp_path / "a.csv", lambda: iter([CSV.encode()]))):
        assert len(client.query(f"key{number}", {}, load).rows()) == 2


# Results that go to files

READERS: dict[str, Callable[[str], pl.DataFrame]] = {
    "out.csv": pl.read_csv,
    "out.jsonl": pl.read_ndjson,
    "out.parquet": pl.read_parquet,
    "out.arrow": lambda path: pl.from_arrow(pyarrow.feather.read_table(path)),  # type: ignore[dict-item, return-value]
}
MIXED = [{"i": n, "s": None if n < 20 else "x", "f": None if n % 3 else n / 2} for n in range(50)]


@pytest.mark.parametrize("name", READERS)
def test_an_export_is_the_result_with_one_type_a_column(
    client: QClient, tmp_path: pathlib.Path, name: str
) -> None:
    client.post("key", pl.DataFrame(MIXED))
    path = tmp_path / name
    assert client.export("key", {"order_by": ["i"]}, path, page_size=7) == 50
    frame = READERS[name](str(path)).select("i", "s", "f")
    assert frame.to_dicts() == MIXED
    assert client.export("key", {"order_by": ["i"], "offset": 3, "limit": 9}, path) == 9
    assert len(READERS[name](str(path))) == 9
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", READERS)
def test_an_export_is_posted_again_as_it_is(
    client: QClient, tmp_path: pathlib.Path, name: str
) -> None:
    client.post("key", pl.DataFrame(MIXED))
    client.export("key", {"order_by": ["i"]}, tmp_path / name, page_size=20)
    client.post("again", tmp_path / name)
    query = {"select": ["i", "s", "f"], "order_by": ["i"]}
    assert client.get("again", query) == client.get("key", query)


def test_an_export_that_fails_leaves_what_was_there(
    client: QClient, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "out.parquet"
    path.write_text("before")
    with pytest.raises(DatasetMissing):
        client.export("none", {}, path)
    client.post("mixed", [{"a": 1}, {"a": "x"}])
    with pytest.raises(CodecError):
        client.export("mixed", {}, path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["out.parquet"]


def test_an_export_of_a_table_that_changes_fails(tmp_path: pathlib.Path) -> None:
    def shrinking(request: Request) -> Answer:
        headers = {
            "X-QCache-unsliced-length": str(100 - len(node.requests)),
            "Content-Type": "text/csv",
        }
        return Answer(reply(200, b"a\n1\n", headers))

    with StubNode(shrinking) as node:
        with QClient([node.url], WAIT, WAIT) as client:
            with pytest.raises(DatasetChanged, match="export 'key'"):
                client.export("key", {}, tmp_path / "out.csv", page_size=1)
    assert os.listdir(tmp_path) == []


def test_an_export_keeps_the_mode_of_a_file_and_writes_through_links(
    client: QClient, tmp_path: pathlib.Path
) -> None:
    client.post("key", "a\n1\n")
    (tmp_path / "real.csv").write_text("before")
    (tmp_path / "real.csv").chmod(0o640)
    (tmp_path / "link.csv").symlink_to("real.csv")
    client.export("key", {}, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "a\n1\n"
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("out.txt", None, r"give format=, or a path that ends with \.csv"),
        ("out.json", None, "not 'json'"),
        ("out.csv", "xml", "not 'xml'"),
        ("out.csv.gz", None, r"without \.gz"),
    ],
)
def test_an_export_to_what_it_can_not_write_says_what_it_can(
    client: QClient, path: str, kind: str | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        client.export("key", {}, path, format=kind)  # type: ignore[arg-type]
