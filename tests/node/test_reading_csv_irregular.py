"""CSV whose quotes and line ends are not as they should be, against a reader that is simple."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qcache.node.errors import BadTable
from storekit.qcache.node.reading import csv_text
from tests.node.roomy import read_csv

_PIECES = st.sampled_from(['"', '""', ",", "\n", "\r", "\r\n", " ", "\t", "x", "1", "é", '"x"'])
_TYPES = {"a": "string", "b": "string"}


def simply_read(text: str) -> list[tuple[str | None, ...]] | None:
    """Return the rows, read character by character; None if that is no table of two columns."""
    rows, fields, field, quoted, line = [], [], "", False, ""
    text += "" if text.endswith(("\n", "\r")) else "\n"
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        line += char
        if quoted:
            if char != '"':
                field += char
            elif text[at : at + 1] == '"':
                field += char
                at += 1
            else:
                quoted = False
        elif char == '"' and (at == 1 or text[at - 2] in ",\r\n"):
            quoted = True
        elif char not in ",\r\n":
            field += char
        else:
            fields.append(field or None)
            field = ""
            if char != ",":
                if char == "\r" and text[at : at + 1] == "\n":
                    at += 1
                if line.strip(" \t\r\n"):
                    rows.append((*fields, None)[: max(len(fields), 2)])
                fields, line = [], ""
    return None if quoted or any(len(row) > 2 for row in rows) else rows


@pytest.fixture(params=[2, 3, 7, 2**18], autouse=True)
def _steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is looked at in one step, the rows are the same."""
    monkeypatch.setattr(csv_text, "_STEP", request.param)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES, max_size=12).map("".join))
def test_rows_are_those_of_a_simple_reader(pieces):
    text = "a,b\n" + pieces
    expected = simply_read(text)
    try:
        rows = read_csv(text.encode(), _TYPES).rows()
    except BadTable:
        assert expected is None
    else:
        assert expected is not None
        assert rows == expected[1:]
