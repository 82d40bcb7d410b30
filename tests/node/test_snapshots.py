"""Tables that outlive a node: what comes back, and what never does."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qcache.node.node import Node
from storekit.qcache.node.snapshots import directory as directories
from tests.node.asking import ask, ask_query, body_of, store
from tests.node.keeping import CSV, JSON, NUMBERS, Keeper, keys, saved, total

# What comes back

CELLS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1)
CELLS |= st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
VALUES = (
    CELLS | st.lists(CELLS, max_size=2) | st.dictionaries(st.text(max_size=3), CELLS, max_size=2)
)
COLUMNS = (
    st.lists(CELLS, min_size=3, max_size=3)
    | st.lists(st.integers(-5, 5) | st.none(), min_size=3, max_size=3)
    | st.lists(st.booleans() | st.none(), min_size=3, max_size=3)
    | st.lists(st.text(max_size=3) | st.none(), min_size=3, max_size=3)
    | st.lists(st.floats(allow_nan=False) | st.none(), min_size=3, max_size=3)
    | st.lists(st.integers(2**63, 2**64 - 1), min_size=3, max_size=3)
    | st.lists(VALUES, min_size=3, max_size=3)
)


@given(st.dictionaries(st.text(max_size=4), COLUMNS, max_size=4), st.integers(0, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_json_table_comes_back_as_it_was(tmp_path, columns, rows):
    keeper = Keeper(tmp_path / str(next(NUMBERS)))
    table = [{name: values[row] for name, values in columns.items()} for row in range(rows)]
    node, snapshot = keeper.start()
    sent = json.dumps(table).encode()
    if ask(node, "POST", "/qcache/dataset/k", headers=JSON, body=sent).status != 201:
        return  # no table, for a reason of its own
    snapshot.write(60)
    check_same(node, keeper.read())


TYPES = st.sampled_from(["a=string", "a=enum", "a=float;b=enum", "b=string;a=enum", ""])
FIELDS = st.sampled_from(["", "1", "-7", "2.5", "0x1", "true", "x", "é", "18446744073709551615"])
LINES = st.lists(st.tuples(FIELDS, FIELDS), max_size=6)


@given(LINES, TYPES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_csv_table_comes_back_with_its_types(tmp_path, lines, types):
    keeper = Keeper(tmp_path / str(next(NUMBERS)))
    node, snapshot = keeper.start()
    sent = "\n".join(["a,b", *map(",".join, lines), ""]).encode()
    headers = {**CSV, **({"x-qcache-types": types} if types else {})}
    if ask(node, "POST", "/qcache/dataset/k", headers=headers, body=sent).status != 201:
        return
    snapshot.write(60)
    check_same(node, keeper.read())


def check_same(node: Node, other: Node) -> None:
    (key, before), (_, after) = (*node.tables.datasets_by_use(), *other.tables.datasets_by_use())
    assert before.frame.schema == after.frame.schema
    assert before.frame.equals(after.frame)
    assert before.charge == after.charge
    for kind in ("application/json", "text/csv"):
        answers = [
            ask(each, "GET", f"/qcache/dataset/{key}", query=b"q={}", headers={"accept": kind})
            for each in (node, other)
        ]
        assert answers[0] == answers[1]


def test_text_of_few_values_is_codes_again(keeper):
    rows = "".join(f"{number},{number % 3}x\n" for number in range(20_000))
    saved(keeper, {"k": f"a,b\n{rows}".encode()})
    ((_, dataset),) = keeper.read().tables.datasets_by_use()
    assert isinstance(dataset.frame["b"].dtype, pl.Categorical)
    assert dataset.frame.n_chunks() == 1


def test_the_order_of_use_comes_back(keeper):
    node, snapshot = keeper.start()
    for key in "abcd":
        store(node, key, b"a\n1\n")
    ask_query(node, "b", {})
    snapshot.write(60)
    node, snapshot = keeper.start()
    snapshot.read()
    assert keys(node) == ["a", "c", "d", "b"]
    ask_query(node, "a", {})
    snapshot.write(60)
    assert keys(keeper.read()) == ["c", "d", "b", "a"]


def test_ages_go_on_while_no_node_runs(keeper):
    keeper.options = {"age": 100}
    node, snapshot = keeper.start()
    store(node, "old", b"a\n1\n")
    keeper.clock.wait(60)
    store(node, "new", b"a\n1\n")
    snapshot.write(60)
    stored = {table.key: table.stored_at for table in keeper.manifest()}
    assert stored == {"old": 1_700_000_000.0, "new": 1_700_000_060.0}
    keeper.clock.restart()
    keeper.clock.wait(30)
    node, snapshot = keeper.start()
    snapshot.read()
    assert keys(node) == ["old", "new"]
    snapshot.write(60)
    assert {table.key: table.stored_at for table in keeper.manifest()} == stored  # to the last bit
    keeper.clock.wait(11)
    node = keeper.read()
    assert keys(node) == ["new"]
    assert total(node, "snapshot_expired") == 1
    assert total(node, "snapshot_restored") == 1
    keeper.clock.wait(60)
    assert ask_query(node, "new", {}).status == 404


def test_a_clock_that_was_set_back_makes_no_table_younger_than_new(keeper):
    keeper.options = {"age": 100}
    saved(keeper, {"k": b"a\n1\n"})
    keeper.clock.day -= 1e6
    node = keeper.read()
    keeper.clock.wait(101)
    assert ask_query(node, "k", {}).status == 404


def test_a_smaller_node_takes_the_tables_that_were_used_last(keeper):
    table = b"a\n" + b"1\n" * 1000
    saved(keeper, dict.fromkeys("abcd", table))
    charge = keeper.read().tables.datasets_by_use()[0][1].charge
    node = keeper.read(size=2 * charge + 10)
    assert keys(node) == ["c", "d"]
    assert total(node, "snapshot_no_room") == 2
    assert node.tables.totals().charged <= node.size


def test_one_table_may_take_more_than_the_size_as_when_it_was_uploaded(keeper):
    saved(keeper, {"k": b"a\n" + b"1\n" * 1000}, size=2100)
    node = keeper.read(size=2100)
    assert keys(node) == ["k"]
    assert node.tables.totals().charged > 2100


def test_what_did_not_change_is_not_written_again(keeper):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    before = {table.key: table.file for table in keeper.manifest()}
    node, snapshot = keeper.start()
    snapshot.read()
    store(node, "b", b"a\n2\n")
    snapshot.write(60)
    after = {table.key: table.file for table in keeper.manifest()}
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]
    assert {path.name for path in keeper.tables.glob("*.table")} == set(after.values())


# What never comes back


@pytest.mark.parametrize("when", ["before it is read", "after it was read"])
def test_after_a_crash_nothing_is_older_than_what_was_answered_for(keeper, when):
    saved(keeper, dict.fromkeys("abc", b"a\n1\n"))
    node, snapshot = keeper.start()
    if when == "after it was read":
        snapshot.read()
    store(node, "a", b"a\n2\n")
    ask(node, "DELETE", "/qcache/dataset/b")
    snapshot._directory.close()  # and no word more of this node
    node = keeper.read()
    assert keys(node) == ["c"]
    assert total(node, "snapshot_refused") == 0


def test_tables_that_change_while_they_are_read_are_left_alone(keeper, monkeypatch):
    saved(keeper, {"a": b"a\n1\n", "b": b"a\n1\n"})
    node, snapshot = keeper.start()
    load = snapshot._load

    def load_late(table: Any) -> pl.DataFrame:
        frame = load(table)
        if table.key == "a":
            store(node, "a", b"a\n2\n")
        else:
            ask(node, "DELETE", f"/qcache/dataset/{table.key}")
        return frame

    monkeypatch.setattr(snapshot, "_load", load_late)
    snapshot.read()
    assert keys(node) == ["a"]
    assert body_of(ask_query(node, "a", {})) == [{"a": 2}]


def test_tables_that_were_not_read_yet_stay_in_the_snapshot(keeper):
    saved(keeper, dict.fromkeys("abc", b"a\n1\n"))
    node, snapshot = keeper.start()
    snapshot.stop_reading()
    snapshot.read()
    store(node, "d", b"a\n1\n")
    ask(node, "DELETE", "/qcache/dataset/b")
    snapshot.write(60)
    assert keys(keeper.read()) == ["a", "c", "d"]


def test_if_the_machine_went_down_there_is_no_snapshot(keeper, monkeypatch, caplog):
    saved(keeper, {"k": b"a\n1\n"})
    _, snapshot = keeper.start()
    snapshot._directory.close()
    monkeypatch.setattr(directories, "_boot", lambda: "another")
    assert keys(keeper.read()) == []
    assert "the machine went down" in caplog.text
    assert list(keeper.tables.glob("*.table")) == []
    assert keys(keeper.read()) == []


def test_if_the_machine_went_down_after_the_end_of_the_node_it_is_there(keeper, monkeypatch):
    saved(keeper, {"k": b"a\n1\n"})
    monkeypatch.setattr(directories, "_boot", lambda: "another")
    assert keys(keeper.read()) == ["k"]
