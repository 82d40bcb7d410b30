"""What a shell and a notebook show of values and clients: short, and no content or secret."""

import datetime

import pytest

from storekit import qdb
from storekit.qdb import BatchRequest, Operations, RawClient, SessionOptions
from tests.support.qdb_clusters import redirected


@pytest.fixture
def client():
    with RawClient("embedded:") as client:
        yield client


def test_a_result_shows_operation_alias_and_outcome_and_no_content(client):
    client.put("a", b"secret content")
    _, (found, missing) = client.run_batch(
        [BatchRequest(Operations.get_alloc, "a"), BatchRequest(Operations.get_alloc, "<b>" * 100)]
    )
    assert repr(found) == "<BatchResult get_alloc 'a': ok>"
    assert repr(missing).endswith("...: An entry matching the provided alias cannot be found.>")
    shown = found._repr_html_()
    assert shown.startswith("<table><tr><th>operation</th><td>get_alloc</td></tr>")
    assert "secret" not in shown
    assert "<b>" not in missing._repr_html_()
    assert len(missing._repr_html_()) < 500


def test_a_result_that_can_not_be_read_says_so(client):
    client.put("a", b"no json")
    _, (result,) = client.run_batch([BatchRequest(Operations.get_alloc, "a")], codec="json")
    assert repr(result) == "<BatchResult get_alloc 'a': can't be read: CodecError>"


def test_metadata_shows_type_size_and_times(client):
    client.put("a", b"x" * 1500, datetime.datetime(2100, 1, 2, 3, 4, 5, 600, datetime.UTC))
    shown = client.get_metadata("a")
    assert repr(shown).startswith("<EntryMetadata blob, 1,500 bytes, modified 20")
    assert repr(shown).endswith(" UTC, expires 2100-01-02 03:04:05 UTC>")
    client.touch("a", None)
    assert "<tr><th>expires</th><td>never</td></tr>" in client.get_metadata("a")._repr_html_()


def test_what_became_of_many_is_a_table_of_those_that_failed(client):
    result = client.remove_many(f"<{number}>" for number in range(100))
    shown = result._repr_html_()
    assert shown.count("<tr>") == 22
    assert "&lt;0&gt;" in shown
    assert "AliasNotFound" in repr(type(result.failed[0][1]))


def test_a_client_shows_store_and_state(client):
    client.put("a", b"1")
    assert repr(client) == "<RawClient of embedded:, sessions: 1, calls: 0>"
    client.close()
    assert repr(client) == "<RawClient of embedded:, closed>"
    assert repr(qdb.AsyncClient("embedded:")) == "<AsyncClient of embedded:, sessions: 0, calls: 0>"


def test_a_client_shows_its_nodes_and_no_secret():
    nodes = [qdb.RemoteNode("one", 1), qdb.RemoteNode("::1", 2)]
    options = SessionOptions(user="me", secret_key="hidden", cluster_public_key="hidden")
    with redirected():
        client = qdb.AsyncRawClient(nodes, options=options)
    assert repr(client).startswith("<AsyncRawClient of one:1,[::1]:2, ")
    assert "hidden" not in repr(client)
