"""What content is, as its name and first bytes tell."""

import gzip
import io
import json

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.formats import JsonLines, check_content, format_of, format_of_name


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"a,b\n1,2\n", "csv"),
        (b"", "csv"),
        (b"[x],y\n1,2\n", "csv"),
        (b"{x},y\n1,2\n", "csv"),
        (b'"[{","}"\n1,2\n', "csv"),
        (b'[{"a": 1}]', "json"),
        (b'\xef\xbb\xbf \n [ {"a": 1}\n]', "json"),
        (b"[]", "json"),
        (b"[{}]", "json"),
        (b'{"a": 1}\n{"a": 2}\n', "json lines"),
        (b'\n{"a": 1}\n\n{"a": 2}', "json lines"),
    ],
)
def test_content_that_is_evident_is_what_it_is(content, kind):
    assert check_content(content) == kind


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1}', "one JSON object"),
        (b'{\n  "a": 1\n}', "one JSON object"),
        (b"[1, 2]", "JSON list of int"),
        (b'["a"]', "JSON list of str"),
        (b"[[1], [2]]", "JSON list of list"),
        (b"PK\x03\x04...", r"pandas\.read_excel"),
        (b"\x1f\x8bbroken", "broken gzip"),
    ],
)
def test_content_that_is_no_table_is_refused(content, words):
    with pytest.raises(ValueError, match=words):
        check_content(content)


def test_packed_and_binary_files_are_known_by_their_first_bytes():
    frame = polars.DataFrame({"a": [1]})
    parquet, arrow = io.BytesIO(), io.BytesIO()
    frame.write_parquet(parquet)
    frame.write_ipc(arrow)
    assert format_of(parquet.getvalue()) == ("parquet", False)
    assert format_of(arrow.getvalue()) == ("arrow", False)
    assert format_of(frame.write_ipc_stream(None).getvalue()) == ("arrow", False)
    assert format_of(gzip.compress(b"a\n1\n")) == ("csv", True)
    assert format_of(gzip.compress(b'[{"a":1}]')) == ("json", True)
    for inner in (parquet.getvalue(), b'{"a":1}\n{"a":2}\n'):
        with pytest.raises(ValueError, match="unpack it"):
            format_of(gzip.compress(inner))
    with pytest.raises(ValueError, match="twice"):
        format_of(gzip.compress(gzip.compress(b"a\n")))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"),
        ("A.CSV.gz", "csv"),
        ("a.ndjson", "json lines"),
        ("a.feather", "arrow"),
        ("a.txt", None),
        ("csv", None),
    ],
)
def test_a_suffix_tells_the_format(name, kind):
    assert format_of_name(name) == kind


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=9))), st.integers(1, 9))
def test_json_lines_become_a_list_in_whatever_pieces_they_come(rows, size):
    text = "\n".join(json.dumps(row) for row in rows).encode()
    lines = JsonLines()
    pieces = [lines.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert json.loads(b"".join([*pieces, lines.end()])) == rows
