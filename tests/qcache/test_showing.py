"""How results look in prints and in notebooks."""

import json
from html.parser import HTMLParser

import httpx
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache import QueryResult


def result_of(content, content_type="application/json"):
    headers = {"X-QCache-unsliced-length": "1000", "Content-Type": content_type}
    return QueryResult(httpx.Response(200, headers=headers, content=content))


def result_of_rows(rows):
    return result_of(json.dumps(rows).encode())


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts = set(), []

    def handle_starttag(self, tag, attrs):
        assert not attrs
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


def cells_of(result):
    parser = Cells()
    parser.feed(result._repr_html_())
    assert parser.tags <= {"table", "thead", "tbody", "tr", "th", "td", "p", "pre"}
    return parser.texts


def test_a_notebook_shows_the_first_rows_as_a_table():
    html = result_of_rows(
        [{"city": "Lund", "n": n, "none": None} for n in range(100)]
    )._repr_html_()
    assert html.startswith("<table><thead><tr><th>city</th><th>n</th><th>none</th></tr>")
    assert html.count("<tr>") == 21
    assert "<td>Lund</td><td>19</td><td></td>" in html
    assert "20 rows of 100, 1000 without slices" in html


def test_a_notebook_shows_csv_and_what_can_not_be_read():
    assert cells_of(result_of(b"a,b\n1,x\n", "text/csv"))[:4] == ["a", "b", "1", "x"]
    assert "QueryResult" in cells_of(result_of(b"<broken"))[0]


@given(st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=300)), max_size=5))
def test_whatever_is_in_a_table_is_text_in_its_html(rows):
    cells_of(result_of_rows([{"<script>": "<img src=x>"}, *rows]))


def test_a_repr_is_short():
    assert len(repr(result_of_rows([{"a": "x" * 10_000}] * 100))) < 300
