# Generated from tests/qcache/_async/test_real.py by tools/generate_sync.py; do not edit.

"""The client and a real QCache server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import lz4.block
import pytest

from storekit.errors import ClientClosed
from storekit.qcache import (
    DatasetMissing,
    MalformedQueryException,
    NodeReport,
    NodeStatistics,
    NodeStatus,
    QClient,
    ServerError,
    UnexpectedServerResponse,
    UnsupportedAcceptType,
    UnsupportedContentType,
)
from tests.qcache._sync.real import PATIENT, ROWS, TABLE, large_table
from tests.support.certificates import Certificates
from tests.support.plugin import AUTH_PASSWORD, AUTH_USER
from tools.qcache_server import QCacheServer


def test_the_documented_constructor_takes_its_arguments_in_order(
    auth_node: QCacheServer, certificates: Certificates, fresh_key: Callable[[], str]
) -> None:
    client = QClient(
        (auth_node.url,), 20.0, 20.0, str(certificates.ca), None, (AUTH_USER, AUTH_PASSWORD), 3
    )
    assert client.get(fresh_key(), {}) is None
    client.close()


def test_the_documented_constructor_takes_its_arguments_by_name(
    mutual_tls_node: QCacheServer, certificates: Certificates, fresh_key: Callable[[], str]
) -> None:
    client = QClient(
        node_list=[mutual_tls_node.url],
        connect_timeout=20.0,
        read_timeout=20.0,
        verify=str(certificates.ca),
        cert=(str(certificates.client_certificate), str(certificates.client_key)),
        auth=None,
        consecutive_error_count_limit=3,
    )
    assert client.get(fresh_key(), {}) is None
    client.close()


def test_documented_calls_by_name(client: QClient, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    client.post(
        key=key, content=TABLE, content_type="text/csv", post_headers={"X-QCache-types": "a=string"}
    )
    result = client.get(
        key=key,
        q={"select": ["a"], "limit": 1},
        accept="text/csv",
        post_query=True,
        query_headers={"X-Mine": "1"},
    )
    assert result.content == b"a\n1\n"
    client.delete(key=key)
    result = client.query(
        key=key,
        q={"select": ["b"], "limit": 1},
        load_fn=lambda table: table,
        load_fn_kwargs={"table": TABLE},
        content_type="text/csv",
        accept="application/json",
        post_headers={"X-QCache-types": "b=string"},
        post_query=True,
        query_headers={"X-Mine": "1"},
    )
    assert result.content == b'[{"b":"10"}]'


def test_a_missing_dataset_is_none(client: QClient, fresh_key: Callable[[], str]) -> None:
    assert client.get(fresh_key(), {}) is None
    assert client.get(fresh_key(), {}, post_query=True) is None


def test_a_deleted_dataset_is_gone_and_may_be_deleted_again(client: QClient, key: str) -> None:
    client.delete(key)
    assert client.get(key, {}) is None
    client.delete(key)


def test_a_client_can_be_used_without_a_block(
    qcache_node: QCacheServer, fresh_key: Callable[[], str]
) -> None:
    client = QClient([qcache_node.url], **PATIENT)
    key = fresh_key()
    client.post(key, TABLE)
    assert client.get(key, {}).json() == ROWS
    client.close()
    client.close()


def test_a_closed_client_says_so(qcache_node: QCacheServer, fresh_key: Callable[[], str]) -> None:
    with QClient([qcache_node.url], **PATIENT) as client:
        client.get(fresh_key(), {})
    with pytest.raises(ClientClosed):
        client.get("key", {})
    with pytest.raises(ClientClosed):
        client.post("key", TABLE)
    with pytest.raises(ClientClosed):
        client.delete("key")
    with pytest.raises(ClientClosed):
        client.query("key", {}, lambda: TABLE)
    with pytest.raises(ClientClosed):
        client.status()
    with pytest.raises(ClientClosed):
        client.statistics()


def test_a_json_result(client: QClient, key: str) -> None:
    result = client.get(key, {"where": [">", "a", 1], "limit": 1})
    assert result.json() == result.rows() == list(result) == [ROWS[1]]
    assert result.unsliced_result_len == 2
    assert result.content_type == "application/json"
    assert result.encoding is None
    assert json.loads(result.content) == [ROWS[1]]


def test_a_csv_result(client: QClient, key: str) -> None:
    result = client.get(key, {"where": [">", "a", 1]}, accept="text/csv")
    assert result.content == b"a,b,s\n2,20,y\n3,30,z\n"
    assert result.content_type == "text/csv"
    assert result.rows() == [{"a": "2", "b": "20", "s": "y"}, {"a": "3", "b": "30", "s": "z"}]
    assert result.unsliced_result_len == 2
    with pytest.raises(ValueError, match="not JSON"):
        result.json()


def test_json_rows_are_stored(client: QClient, fresh_key: Callable[[], str]) -> None:
    rows = [{"a": 1, "t": "å;=\n", "n": None}, {"a": 2, "t": "", "n": 1.5}]
    key = fresh_key()
    client.post(key, rows, content_type="application/json")
    assert client.get(key, {"order_by": ["a"]}).json() == rows


def test_text_is_stored_as_utf_8(client: QClient, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    client.post(key, "a\nåäö\n")
    assert client.get(key, {}).json() == [{"a": "åäö"}]


def test_a_post_replaces_the_table(client: QClient, key: str) -> None:
    client.post(key, "c\n7\n")
    assert client.get(key, {}).json() == [{"c": 7}]


@pytest.mark.parametrize("post_query", [False, True])
def test_characters_that_a_url_could_mangle_arrive(
    client: QClient, fresh_key: Callable[[], str], post_query: bool
) -> None:
    text = "a+b %20&q=1#å/?\"\\'"
    key = fresh_key()
    client.post(key, [{"t": text}, {"t": "other"}], content_type="application/json")
    query = {"where": ["==", "t", f'"{text}"']}
    assert client.get(key, query, post_query=post_query).json() == [{"t": text}]


@pytest.mark.parametrize("numbers", [2000, 15_000])
def test_a_large_query_goes_in_a_body_by_itself(client: QClient, key: str, numbers: int) -> None:
    query = {"where": ["in", "a", [2, *range(100, 100 + numbers)]]}
    assert len(json.dumps(query)) > (70_000 if numbers > 10_000 else 4000)
    assert client.get(key, query).json() == [ROWS[1]]


def test_types_can_be_given(client: QClient, fresh_key: Callable[[], str]) -> None:
    table, key = "a,b,c\n007,1,x\n", fresh_key()
    wanted = [{"a": "007", "b": 1.0, "c": "x"}]
    types = {"a": "string", "b": "float", "c": "enum"}
    client.post(key, table, types=types)
    by_argument = client.get(key, {})
    client.post(key, table, post_headers={"X-QCache-types": types})
    by_header = client.get(key, {})
    client.post(key, table, post_headers={"X-QCache-types": "a=string;b=float;c=enum"})
    by_text = client.get(key, {})
    assert by_argument.json() == wanted
    assert by_argument == by_header == by_text
    assert b'"b":1.0' in by_argument.content


def test_stand_in_columns_can_be_given_for_an_upload(
    client: QClient, fresh_key: Callable[[], str]
) -> None:
    key = fresh_key()
    columns = {"a": 9, "b": 2.5, "c": "a", "d": '"n/a"'}
    wanted = [{"a": 1, "b": 2.5, "c": 1, "d": "n/a"}]
    client.post(key, "a\n1\n", stand_in_columns=columns)
    assert client.get(key, {}).json() == wanted
    client.post(key, "a\n1\n", post_headers={"X-QCache-stand-in-columns": columns})
    assert client.get(key, {}).json() == wanted


def test_stand_in_columns_can_be_given_for_a_query(client: QClient, key: str) -> None:
    query = {"select": ["a", "new"], "limit": 1}
    result = client.get(key, query, stand_in_columns={"new": 5})
    assert result.json() == [{"a": 1, "new": 5}]
    result = client.get(
        key, {"limit": 1}, query_headers={"X-QCache-stand-in-columns": {"newer": "a"}}
    )
    assert result.json() == [{**ROWS[0], "new": 5, "newer": 1}]


@pytest.mark.parametrize("compression", ["gzip", "lz4"])
@pytest.mark.parametrize("rows", [3, 300, 50_000])
def test_compression_both_ways(
    qcache_node: QCacheServer, fresh_key: Callable[[], str], compression: str, rows: int
) -> None:
    table = large_table(rows)
    key = fresh_key()
    with QClient([qcache_node.url], compression=compression, **PATIENT) as client:
        client.post(key, table)
        result = client.get(key, {}, accept="text/csv")
        assert result.encoding is None, "the content is unpacked"
        assert result.content == table
        assert client.get(key, {"select": [["sum", "n"]]}).json() == [{"n": rows * (rows - 1) // 2}]
        assert all(client.status().values())
        assert client.statistics()[qcache_node.url].error is None
        with pytest.raises(MalformedQueryException):
            client.get(key, {"where": ["==", "none", 1]})
        client.delete(key)


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
def test_content_that_the_caller_packed_is_sent_as_it_is(
    qcache_node: QCacheServer, fresh_key: Callable[[], str], encoding: str
) -> None:
    pack = gzip.compress if encoding == "gzip" else lz4.block.compress
    table, key = large_table(200), fresh_key()
    with QClient([qcache_node.url], compression="gzip", **PATIENT) as client:
        client.post(key, pack(table), post_headers={"Content-Encoding": encoding})
        assert client.get(key, {}, accept="text/csv").content == table


def test_large_tables_without_compression(client: QClient, fresh_key: Callable[[], str]) -> None:
    table, key = large_table(60_000), fresh_key()
    client.post(key, table)
    result = client.get(key, {}, accept="text/csv")
    assert result.content == table
    assert result.unsliced_result_len == 60_000
    client.delete(key)


# Refusals


@pytest.mark.parametrize("post_query", [False, True])
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"where": ["==", "none", 1]}, "none"),
        ({"select": ["none"]}, "none"),
        ({"bad": 1}, "bad"),
        ({"limit": "1"}, "imit"),
    ],
)
def test_a_malformed_query_is_told_in_the_words_of_the_server(
    client: QClient,
    qcache_node: QCacheServer,
    key: str,
    query: dict[str, object],
    words: str,
    post_query: bool,
) -> None:
    with pytest.raises(MalformedQueryException) as caught:
        client.get(key, query, post_query=post_query)
    error = caught.value
    assert words in error.text
    assert error.text in str(error)
    assert not error.text.startswith(("{", "<"))
    assert error.status == 400
    assert error.node == qcache_node.url
    assert f"get {key!r}" in str(error)


@pytest.mark.parametrize("accept", ["*/*", "text/html", "APPLICATION/JSON"])
def test_an_accept_type_that_the_server_lacks(client: QClient, key: str, accept: str) -> None:
    with pytest.raises(UnsupportedAcceptType) as caught:
        client.get(key, {}, accept=accept)
    assert caught.value.status == 406
    assert accept in str(caught.value)


def test_an_accept_list_does_not_hide_that_the_query_is_malformed(
    client: QClient, key: str
) -> None:
    both = "application/json, text/csv"
    assert client.get(key, {}, accept=both).json() == ROWS
    with pytest.raises(MalformedQueryException):
        client.get(key, {"bad": 1}, accept=both)


def test_a_refused_content_type_leaves_no_dataset(client: QClient, key: str) -> None:
    with pytest.raises(UnsupportedContentType) as caught:
        client.post(key, TABLE, content_type="text/html")
    assert caught.value.status == 415
    assert f"may hold no dataset {key!r}" in str(caught.value)
    assert client.get(key, {}) is None


@pytest.mark.parametrize(
    ("content", "content_type"),
    [("", "text/csv"), ('a\n"open\n', "text/csv"), ('{"a": 1}', "application/json")],
)
def test_a_bad_upload_leaves_no_dataset(
    client: QClient, key: str, content: str, content_type: str
) -> None:
    with pytest.raises(ServerError) as caught:
        client.post(key, content, content_type)
    assert caught.value.status == 500
    assert f"may hold no dataset {key!r}" in str(caught.value)
    assert client.get(key, {}) is None


def test_a_query_that_makes_the_server_fail(client: QClient, key: str) -> None:
    with pytest.raises(ServerError) as caught:
        client.get(key, {"where": ["like", "s", "'('"]})
    assert caught.value.status == 500
    assert "may hold no dataset" not in str(caught.value)


def test_other_refusals_are_unexpected_responses(client: QClient, key: str) -> None:
    with pytest.raises(UnexpectedServerResponse) as caught:
        client.post(key, TABLE, post_headers={"Content-Encoding": "lz4-frame"})
    assert caught.value.status == 400
    assert type(caught.value) is UnexpectedServerResponse


# The state of nodes


def test_status_of_a_node(client: QClient, qcache_node: QCacheServer) -> None:
    assert client.status() == {qcache_node.url: NodeStatus(qcache_node.url, ok=True)}


def test_the_server_resets_its_counters_when_they_are_read(
    client: QClient, qcache_node: QCacheServer, key: str
) -> None:
    client.statistics()
    client.get(key, {})
    client.get(key, {})
    report = client.statistics()[qcache_node.url]
    assert isinstance(report, NodeReport)
    assert report.error is None
    assert report.statistics["hit_count"] == 2
    assert report.statistics["dataset_count"] >= 1
    report = client.statistics()[qcache_node.url]
    assert "hit_count" not in report.statistics


def test_the_client_counts_its_requests(
    qcache_node: QCacheServer, fresh_key: Callable[[], str]
) -> None:
    with QClient([qcache_node.url], **PATIENT) as client:
        client.get(fresh_key(), {})
        client.get(fresh_key(), {})
        assert client.get_statistics() == {qcache_node.url: NodeStatistics(requests=2)}
        assert client.get_statistics() == {qcache_node.url: NodeStatistics()}


def test_a_select_in_sql(client: QClient, key: str) -> None:
    text = f'select s, a + b as c from "{key}" where a > 1 order by c desc'
    result = client.sql(text)
    assert result.rows() == [{"s": "z", "c": 33}, {"s": "y", "c": 22}]
    grouped = client.sql(f'select count(*) as n, max(b) as b from "{key}"')
    assert grouped.rows() == [{"n": 3, "b": 30}]
    with pytest.raises(DatasetMissing):
        client.sql("select a from nothing")


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet", "out.arrow"])
def test_a_result_goes_to_a_file_and_back(
    client: QClient, key: str, fresh_key: Callable[[], str], tmp_path: Path, name: str
) -> None:
    query = {"order_by": ["a"]}
    assert client.export(key, query, tmp_path / name, page_size=2) == 3
    again = fresh_key()
    client.post(again, tmp_path / name)
    result = client.get(again, query)
    assert result is not None
    assert result.rows() == ROWS
