"""The client and a real QCache server."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import AsyncIterator, Callable

import lz4.block
import pytest

from storekit.errors import ClientClosed
from storekit.qcache import (
    AsyncQClient,
    AuthenticationFailed,
    DatasetChanged,
    DatasetMissing,
    MalformedQueryException,
    NodeReport,
    NodeStatistics,
    NodeStatus,
    NodeTimeout,
    QClientException,
    QueryResult,
    ServerError,
    TLSFailure,
    UnexpectedServerResponse,
    UnsupportedAcceptType,
    UnsupportedContentType,
)
from tests.support.certificates import Certificates
from tests.support.plugin import AUTH_PASSWORD, AUTH_USER
from tools.qcache_server import QCacheServer

TABLE = b"a,b,s\n1,10,x\n2,20,y\n3,30,z\n"
ROWS = [{"a": 1, "b": 10, "s": "x"}, {"a": 2, "b": 20, "s": "y"}, {"a": 3, "b": 30, "s": "z"}]
PATIENT = {"connect_timeout": 20.0, "read_timeout": 20.0}


def large_table(rows: int) -> bytes:
    return b"n,text\n" + b"".join(b"%d,row number %d\n" % (n, n * n) for n in range(rows))


@pytest.fixture
async def client(qcache_node: QCacheServer) -> AsyncIterator[AsyncQClient]:
    async with AsyncQClient([qcache_node.url], **PATIENT) as client:
        yield client


@pytest.fixture
async def key(client: AsyncQClient, fresh_key: Callable[[], str]) -> str:
    """The key of a stored table: `TABLE`."""
    key = fresh_key()
    await client.post(key, TABLE)
    return key


async def test_the_documented_constructor_takes_its_arguments_in_order(
    auth_node: QCacheServer, certificates: Certificates, fresh_key: Callable[[], str]
) -> None:
    client = AsyncQClient(
        (auth_node.url,), 20.0, 20.0, str(certificates.ca), None, (AUTH_USER, AUTH_PASSWORD), 3
    )
    assert await client.get(fresh_key(), {}) is None
    await client.aclose()


async def test_the_documented_constructor_takes_its_arguments_by_name(
    mutual_tls_node: QCacheServer, certificates: Certificates, fresh_key: Callable[[], str]
) -> None:
    client = AsyncQClient(
        node_list=[mutual_tls_node.url],
        connect_timeout=20.0,
        read_timeout=20.0,
        verify=str(certificates.ca),
        cert=(str(certificates.client_certificate), str(certificates.client_key)),
        auth=None,
        consecutive_error_count_limit=3,
    )
    assert await client.get(fresh_key(), {}) is None
    await client.aclose()


async def test_documented_calls_by_name(client: AsyncQClient, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    await client.post(
        key=key, content=TABLE, content_type="text/csv", post_headers={"X-QCache-types": "a=string"}
    )
    result = await client.get(
        key=key,
        q={"select": ["a"], "limit": 1},
        accept="text/csv",
        post_query=True,
        query_headers={"X-Mine": "1"},
    )
    assert result.content == b"a\n1\n"
    await client.delete(key=key)
    result = await client.query(
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


async def test_a_missing_dataset_is_none(
    client: AsyncQClient, fresh_key: Callable[[], str]
) -> None:
    assert await client.get(fresh_key(), {}) is None
    assert await client.get(fresh_key(), {}, post_query=True) is None


async def test_a_deleted_dataset_is_gone_and_may_be_deleted_again(
    client: AsyncQClient, key: str
) -> None:
    await client.delete(key)
    assert await client.get(key, {}) is None
    await client.delete(key)


async def test_a_client_can_be_used_without_a_block(
    qcache_node: QCacheServer, fresh_key: Callable[[], str]
) -> None:
    client = AsyncQClient([qcache_node.url], **PATIENT)
    key = fresh_key()
    await client.post(key, TABLE)
    assert (await client.get(key, {})).json() == ROWS
    await client.aclose()
    await client.aclose()


async def test_a_closed_client_says_so(
    qcache_node: QCacheServer, fresh_key: Callable[[], str]
) -> None:
    async with AsyncQClient([qcache_node.url], **PATIENT) as client:
        await client.get(fresh_key(), {})
    with pytest.raises(ClientClosed):
        await client.get("key", {})
    with pytest.raises(ClientClosed):
        await client.post("key", TABLE)
    with pytest.raises(ClientClosed):
        await client.delete("key")
    with pytest.raises(ClientClosed):
        await client.query("key", {}, lambda: TABLE)
    with pytest.raises(ClientClosed):
        await client.status()
    with pytest.raises(ClientClosed):
        await client.statistics()


async def test_a_json_result(client: AsyncQClient, key: str) -> None:
    result = await client.get(key, {"where": [">", "a", 1], "limit": 1})
    assert result.json() == result.rows() == list(result) == [ROWS[1]]
    assert result.unsliced_result_len == 2
    assert result.content_type == "application/json"
    assert result.encoding is None
    assert json.loads(result.content) == [ROWS[1]]


async def test_a_csv_result(client: AsyncQClient, key: str) -> None:
    result = await client.get(key, {"where": [">", "a", 1]}, accept="text/csv")
    assert result.content == b"a,b,s\n2,20,y\n3,30,z\n"
    assert result.content_type == "text/csv"
    assert result.rows() == [{"a": "2", "b": "20", "s": "y"}, {"a": "3", "b": "30", "s": "z"}]
    assert result.unsliced_result_len == 2
    with pytest.raises(ValueError, match="not JSON"):
        result.json()


async def test_json_rows_are_stored(client: AsyncQClient, fresh_key: Callable[[], str]) -> None:
    rows = [{"a": 1, "t": "å;=\n", "n": None}, {"a": 2, "t": "", "n": 1.5}]
    key = fresh_key()
    await client.post(key, rows, content_type="application/json")
    assert (await client.get(key, {"order_by": ["a"]})).json() == rows


async def test_text_is_stored_as_utf_8(client: AsyncQClient, fresh_key: Callable[[], str]) -> None:
    key = fresh_key()
    await client.post(key, "a\nåäö\n")
    assert (await client.get(key, {})).json() == [{"a": "åäö"}]


async def test_a_post_replaces_the_table(client: AsyncQClient, key: str) -> None:
    await client.post(key, "c\n7\n")
    assert (await client.get(key, {})).json() == [{"c": 7}]


@pytest.mark.parametrize("post_query", [False, True])
async def test_characters_that_a_url_could_mangle_arrive(
    client: AsyncQClient, fresh_key: Callable[[], str], post_query: bool
) -> None:
    text = "a+b %20&q=1#å/?\"\\'"
    key = fresh_key()
    await client.post(key, [{"t": text}, {"t": "other"}], content_type="application/json")
    query = {"where": ["==", "t", f'"{text}"']}
    assert (await client.get(key, query, post_query=post_query)).json() == [{"t": text}]


@pytest.mark.parametrize("numbers", [2000, 15_000])
async def test_a_large_query_goes_in_a_body_by_itself(
    client: AsyncQClient, key: str, numbers: int
) -> None:
    query = {"where": ["in", "a", [2, *range(100, 100 + numbers)]]}
    assert len(json.dumps(query)) > (70_000 if numbers > 10_000 else 4000)
    assert (await client.get(key, query)).json() == [ROWS[1]]


async def test_types_can_be_given(client: AsyncQClient, fresh_key: Callable[[], str]) -> None:
    table, key = "a,b,c\n007,1,x\n", fresh_key()
    wanted = [{"a": "007", "b": 1.0, "c": "x"}]
    types = {"a": "string", "b": "float", "c": "enum"}
    await client.post(key, table, types=types)
    by_argument = await client.get(key, {})
    await client.post(key, table, post_headers={"X-QCache-types": types})
    by_header = await client.get(key, {})
    await client.post(key, table, post_headers={"X-QCache-types": "a=string;b=float;c=enum"})
    by_text = await client.get(key, {})
    assert by_argument.json() == wanted
    assert by_argument == by_header == by_text
    assert b'"b":1.0' in by_argument.content


async def test_stand_in_columns_can_be_given_for_an_upload(
    client: AsyncQClient, fresh_key: Callable[[], str]
) -> None:
    key = fresh_key()
    columns = {"a": 9, "b": 2.5, "c": "a", "d": '"n/a"'}
    wanted = [{"a": 1, "b": 2.5, "c": 1, "d": "n/a"}]
    await client.post(key, "a\n1\n", stand_in_columns=columns)
    assert (await client.get(key, {})).json() == wanted
    await client.post(key, "a\n1\n", post_headers={"X-QCache-stand-in-columns": columns})
    assert (await client.get(key, {})).json() == wanted


async def test_stand_in_columns_can_be_given_for_a_query(client: AsyncQClient, key: str) -> None:
    query = {"select": ["a", "new"], "limit": 1}
    result = await client.get(key, query, stand_in_columns={"new": 5})
    assert result.json() == [{"a": 1, "new": 5}]
    result = await client.get(
        key, {"limit": 1}, query_headers={"X-QCache-stand-in-columns": {"newer": "a"}}
    )
    assert result.json() == [{**ROWS[0], "new": 5, "newer": 1}]


@pytest.mark.parametrize("compression", ["gzip", "lz4"])
@pytest.mark.parametrize("rows", [3, 300, 50_000])
async def test_compression_both_ways(
    qcache_node: QCacheServer, fresh_key: Callable[[], str], compression: str, rows: int
) -> None:
    table = large_table(rows)
    key = fresh_key()
    async with AsyncQClient([qcache_node.url], compression=compression, **PATIENT) as client:
        await client.post(key, table)
        result = await client.get(key, {}, accept="text/csv")
        assert result.encoding is None, "the content is unpacked"
        assert result.content == table
        assert (await client.get(key, {"select": [["sum", "n"]]})).json() == [
            {"n": rows * (rows - 1) // 2}
        ]
        assert all((await client.status()).values())
        assert (await client.statistics())[qcache_node.url].error is None
        with pytest.raises(MalformedQueryException):
            await client.get(key, {"where": ["==", "none", 1]})
        await client.delete(key)


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
async def test_content_that_the_caller_packed_is_sent_as_it_is(
    qcache_node: QCacheServer, fresh_key: Callable[[], str], encoding: str
) -> None:
    pack = gzip.compress if encoding == "gzip" else lz4.block.compress
    table, key = large_table(200), fresh_key()
    async with AsyncQClient([qcache_node.url], compression="gzip", **PATIENT) as client:
        await client.post(key, pack(table), post_headers={"Content-Encoding": encoding})
        assert (await client.get(key, {}, accept="text/csv")).content == table


async def test_large_tables_without_compression(
    client: AsyncQClient, fresh_key: Callable[[], str]
) -> None:
    table, key = large_table(60_000), fresh_key()
    await client.post(key, table)
    result = await client.get(key, {}, accept="text/csv")
    assert result.content == table
    assert result.unsliced_result_len == 60_000
    await client.delete(key)


# Pages


async def pages_of(client: AsyncQClient, *args: object, **kwargs: object) -> list[QueryResult]:
    pages = []
    async for page in client.pages(*args, **kwargs):
        assert isinstance(page, QueryResult)
        pages.append(page)
    return pages


@pytest.mark.parametrize("page_size", [1, 3, 7, 10, 11, 1000])
async def test_pages_together_are_the_whole_result(
    client: AsyncQClient, fresh_key: Callable[[], str], page_size: int
) -> None:
    key = fresh_key()
    await client.post(key, large_table(10))
    pages = await pages_of(client, key, {"select": ["n"], "order_by": ["n"]}, page_size)
    assert [row["n"] for page in pages for row in page] == list(range(10))
    assert len(pages) == -(-10 // page_size)
    assert {page.unsliced_result_len for page in pages} == {10}


@pytest.mark.parametrize(
    ("window", "sizes"),
    [
        ({"offset": 2}, [3, 3, 2]),
        ({"limit": 7}, [3, 3, 1]),
        ({"limit": 6}, [3, 3]),
        ({"limit": 100}, [3, 3, 3, 1]),
        ({"offset": 4, "limit": 4}, [3, 1]),
        ({"offset": 9, "limit": 4}, [1]),
        ({"offset": 10}, []),
        ({"offset": 50, "limit": 4}, []),
        ({"offset": 0, "limit": 0}, [3, 3, 3, 1]),
        ({"offset": None, "limit": None}, [3, 3, 3, 1]),
    ],
)
async def test_pages_stay_in_the_window_of_the_query(
    client: AsyncQClient,
    fresh_key: Callable[[], str],
    window: dict[str, int],
    sizes: list[int],
) -> None:
    key = fresh_key()
    await client.post(key, large_table(10))
    pages = await pages_of(client, key, {"order_by": ["n"], **window}, 3)
    assert [len(page.rows()) for page in pages] == sizes
    start = window.get("offset") or 0
    numbers = [row["n"] for page in pages for row in page]
    assert numbers == list(range(start, start + sum(sizes)))


async def test_pages_of_csv(client: AsyncQClient, key: str) -> None:
    pages = await pages_of(client, key, {"select": ["a"]}, 2, "text/csv")
    assert [page.content for page in pages] == [b"a\n1\n2\n", b"a\n3\n"]


async def test_an_empty_table_is_one_empty_page(
    client: AsyncQClient, fresh_key: Callable[[], str]
) -> None:
    key = fresh_key()
    await client.post(key, "a,b\n")
    (page,) = await pages_of(client, key, {})
    assert page.rows() == []


async def test_pages_of_nothing(client: AsyncQClient, fresh_key: Callable[[], str]) -> None:
    with pytest.raises(DatasetMissing, match="there is no such dataset"):
        await pages_of(client, fresh_key(), {})


async def test_pages_notice_that_the_table_was_replaced(client: AsyncQClient, key: str) -> None:
    seen = []
    with pytest.raises(DatasetChanged, match="had 3 rows and now has 1"):
        async for page in client.pages(key, {}, 2):
            seen.append(page.rows())
            await client.post(key, "a\n1\n")
    assert len(seen) == 1


async def test_pages_notice_that_the_table_went(client: AsyncQClient, key: str) -> None:
    with pytest.raises(DatasetMissing):
        async for _ in client.pages(key, {}, 2):
            await client.delete(key)


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
async def test_a_malformed_query_is_told_in_the_words_of_the_server(
    client: AsyncQClient,
    qcache_node: QCacheServer,
    key: str,
    query: dict[str, object],
    words: str,
    post_query: bool,
) -> None:
    with pytest.raises(MalformedQueryException) as caught:
        await client.get(key, query, post_query=post_query)
    error = caught.value
    assert words in error.text
    assert error.text in str(error)
    assert not error.text.startswith(("{", "<"))
    assert error.status == 400
    assert error.node == qcache_node.url
    assert f"get {key!r}" in str(error)


@pytest.mark.parametrize("accept", ["*/*", "text/html", "APPLICATION/JSON"])
async def test_an_accept_type_that_the_server_lacks(
    client: AsyncQClient, key: str, accept: str
) -> None:
    with pytest.raises(UnsupportedAcceptType) as caught:
        await client.get(key, {}, accept=accept)
    assert caught.value.status == 406
    assert accept in str(caught.value)


async def test_an_accept_list_does_not_hide_that_the_query_is_malformed(
    client: AsyncQClient, key: str
) -> None:
    both = "application/json, text/csv"
    assert (await client.get(key, {}, accept=both)).json() == ROWS
    with pytest.raises(MalformedQueryException):
        await client.get(key, {"bad": 1}, accept=both)


async def test_a_refused_content_type_leaves_no_dataset(client: AsyncQClient, key: str) -> None:
    with pytest.raises(UnsupportedContentType) as caught:
        await client.post(key, TABLE, content_type="text/html")
    assert caught.value.status == 415
    assert f"may hold no dataset {key!r}" in str(caught.value)
    assert await client.get(key, {}) is None


@pytest.mark.parametrize(
    ("content", "content_type"),
    [("", "text/csv"), ('a\n"open\n', "text/csv"), ('{"a": 1}', "application/json")],
)
async def test_a_bad_upload_leaves_no_dataset(
    client: AsyncQClient, key: str, content: str, content_type: str
) -> None:
    with pytest.raises(ServerError) as caught:
        await client.post(key, content, content_type)
    assert caught.value.status == 500
    assert f"may hold no dataset {key!r}" in str(caught.value)
    assert await client.get(key, {}) is None


async def test_a_query_that_makes_the_server_fail(client: AsyncQClient, key: str) -> None:
    with pytest.raises(ServerError) as caught:
        await client.get(key, {"where": ["like", "s", "'('"]})
    assert caught.value.status == 500
    assert "may hold no dataset" not in str(caught.value)


async def test_other_refusals_are_unexpected_responses(client: AsyncQClient, key: str) -> None:
    with pytest.raises(UnexpectedServerResponse) as caught:
        await client.post(key, TABLE, post_headers={"Content-Encoding": "lz4-frame"})
    assert caught.value.status == 400
    assert type(caught.value) is UnexpectedServerResponse


# The state of nodes


async def test_status_of_a_node(client: AsyncQClient, qcache_node: QCacheServer) -> None:
    assert await client.status() == {qcache_node.url: NodeStatus(qcache_node.url, ok=True)}


async def test_the_server_resets_its_counters_when_they_are_read(
    client: AsyncQClient, qcache_node: QCacheServer, key: str
) -> None:
    await client.statistics()
    await client.get(key, {})
    await client.get(key, {})
    report = (await client.statistics())[qcache_node.url]
    assert isinstance(report, NodeReport)
    assert report.error is None
    assert report.statistics["hit_count"] == 2
    assert report.statistics["dataset_count"] >= 1
    report = (await client.statistics())[qcache_node.url]
    assert "hit_count" not in report.statistics


async def test_the_client_counts_its_requests(
    qcache_node: QCacheServer, fresh_key: Callable[[], str]
) -> None:
    async with AsyncQClient([qcache_node.url], **PATIENT) as client:
        await client.get(fresh_key(), {})
        await client.get(fresh_key(), {})
        assert client.get_statistics() == {qcache_node.url: NodeStatistics(requests=2)}
        assert client.get_statistics() == {qcache_node.url: NodeStatistics()}


# TLS and passwords


async def test_tls(
    tls_node: QCacheServer, certificates: Certificates, fresh_key: Callable[[], str]
) -> None:
    table, key = large_table(20_000), fresh_key()
    async with AsyncQClient([tls_node.url], verify=certificates.ca, **PATIENT) as client:
        await client.post(key, table)
        result = await client.get(key, {}, accept="text/csv")
    assert result.content == table
    assert len(list(csv.reader(io.StringIO(result.content.decode())))) == 20_001


@pytest.mark.parametrize("verify", [True, "client_ca"])
async def test_an_authority_that_is_not_trusted(
    tls_node: QCacheServer, certificates: Certificates, verify: bool | str
) -> None:
    trusted = verify if isinstance(verify, bool) else getattr(certificates, verify)
    async with AsyncQClient([tls_node.url], verify=trusted, **PATIENT) as client:
        with pytest.raises(TLSFailure, match="check verify=") as caught:
            await client.get("key", {})
        assert caught.value.node == tls_node.url
        assert caught.value.reached is False
        assert caught.value.__cause__ is not None


async def test_a_name_that_the_certificate_does_not_have(
    tls_node: QCacheServer, certificates: Certificates
) -> None:
    node = f"https://127.0.0.2:{tls_node.port}"
    async with AsyncQClient([node], verify=certificates.ca, **PATIENT) as client:
        with pytest.raises(TLSFailure):
            await client.get("key", {})


async def test_verification_can_be_switched_off(tls_node: QCacheServer) -> None:
    async with AsyncQClient([tls_node.url], verify=False, **PATIENT) as client:
        assert all((await client.status()).values())


async def test_a_context_can_be_given(tls_node: QCacheServer, certificates: Certificates) -> None:
    context = certificates.ssl_context()
    async with AsyncQClient([tls_node.url], verify=context, **PATIENT) as client:
        assert all((await client.status()).values())


@pytest.mark.parametrize("form", ["one file", "two files"])
async def test_a_client_certificate(
    mutual_tls_node: QCacheServer,
    certificates: Certificates,
    fresh_key: Callable[[], str],
    form: str,
) -> None:
    cert = (
        certificates.client
        if form == "one file"
        else (certificates.client_certificate, certificates.client_key)
    )
    key = fresh_key()
    async with AsyncQClient(
        [mutual_tls_node.url], verify=certificates.ca, cert=cert, **PATIENT
    ) as client:
        await client.post(key, TABLE)
        assert (await client.get(key, {})).json() == ROWS


async def test_a_client_certificate_that_is_missing(
    mutual_tls_node: QCacheServer, certificates: Certificates
) -> None:
    async with AsyncQClient([mutual_tls_node.url], verify=certificates.ca, **PATIENT) as client:
        with pytest.raises(TLSFailure, match="client certificate"):
            await client.get("key", {})
        with pytest.raises(TLSFailure, match="client certificate"):
            await client.post("key", TABLE)


async def test_plain_http_to_a_node_with_tls(tls_node: QCacheServer) -> None:
    node = f"http://127.0.0.1:{tls_node.port}"
    async with AsyncQClient([node], **PATIENT) as client:
        with pytest.raises(QClientException) as caught:
            await client.get("key", {})
        assert caught.value.node == node


async def test_tls_to_a_node_without(qcache_node: QCacheServer) -> None:
    node = f"https://127.0.0.1:{qcache_node.port}"
    async with AsyncQClient([node], connect_timeout=0.2, verify=False) as client:
        # It waits for an empty line, which one in some hundred random greetings holds.
        with pytest.raises((NodeTimeout, TLSFailure)) as caught:
            await client.get("key", {})
        assert caught.value.node == node
        assert caught.value.reached is False


async def test_the_right_password(
    auth_node: QCacheServer, certificates: Certificates, fresh_key: Callable[[], str]
) -> None:
    key = fresh_key()
    auth = (AUTH_USER, AUTH_PASSWORD)
    async with AsyncQClient(
        [auth_node.url], verify=certificates.ca, auth=auth, **PATIENT
    ) as client:
        await client.post(key, TABLE)
        assert (await client.get(key, {})).json() == ROWS
        assert (await client.statistics())[auth_node.url].error is None
        await client.delete(key)
        assert AUTH_PASSWORD not in repr(client)
        assert AUTH_PASSWORD not in repr(vars(client))


@pytest.mark.parametrize("auth", [None, (AUTH_USER, "wr0ng-pass"), ("bob", AUTH_PASSWORD)])
async def test_the_wrong_password(
    auth_node: QCacheServer, certificates: Certificates, auth: tuple[str, str] | None
) -> None:
    async with AsyncQClient(
        [auth_node.url], verify=certificates.ca, auth=auth, **PATIENT
    ) as client:
        errors = []
        with pytest.raises(AuthenticationFailed, match="check auth=") as caught:
            await client.get("key", {})
        errors.append(caught.value)
        with pytest.raises(AuthenticationFailed, match="check auth=") as caught:
            await client.post("key", TABLE)
        errors.append(caught.value)
        with pytest.raises(AuthenticationFailed, match="check auth=") as caught:
            await client.delete("key")
        errors.append(caught.value)
        errors.append((await client.status())[auth_node.url].error)
        errors.append((await client.statistics())[auth_node.url].error)
        for error in errors:
            assert error.status == 401
            assert_keeps_secret(error, auth[1] if auth else AUTH_PASSWORD)


async def test_a_password_is_in_no_error_of_a_dead_node(certificates: Certificates) -> None:
    auth = (AUTH_USER, AUTH_PASSWORD)
    async with AsyncQClient(["http://127.0.0.1:9"], auth=auth, **PATIENT) as client:
        with pytest.raises(QClientException) as caught:
            await client.get("key", {}, query_headers={"X-Secret": AUTH_PASSWORD})
        assert_keeps_secret(caught.value, AUTH_PASSWORD)


def assert_keeps_secret(error: BaseException | None, secret: str) -> None:
    while error is not None:
        assert secret not in str(error)
        assert secret not in repr(error)
        for part in getattr(error, "exceptions", ()):
            assert_keeps_secret(part, secret)
        error = error.__cause__ or error.__context__
