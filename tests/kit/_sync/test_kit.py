# Generated from tests/kit/_async/test_kit.py by tools/generate_sync.py; do not edit.

import logging

import pytest

import storekit
from storekit import Settings, StoreKit, qdb
from storekit.codecs.tables import Csv, TableContent, TableRegistry
from storekit.kit._sync.connecting import connect
from storekit.qcache import QClient
from storekit.qdb import Client
from tests.support.stub_node import StubNode

ROWS = [{"city": "Uppsala", "people": 177074}, {"city": "Visby", "people": 24330}]
NAMES = {"select": ["city"], "order_by": ["city"]}


@pytest.fixture
def kit():
    with StoreKit() as kit:
        yield kit


def cities(kit):
    return [row["city"] for row in kit.query("cities", NAMES).json()]


def test_table_is_answered_for_once_it_is_put(kit):
    kit.put_table("cities", ROWS)
    assert cities(kit) == ["Uppsala", "Visby"]
    kit.put_table("cities", "city,people\nKiruna,22433\n")
    assert cities(kit) == ["Kiruna"]


def test_frame_keeps_its_types(kit):
    polars = pytest.importorskip("polars")
    kit.put_table("codes", polars.DataFrame({"code": ["007", "8"]}))
    assert kit.query("codes", {}).json() == [{"code": "007"}, {"code": "8"}]
    assert kit.query("codes", {}, codec="polars")["code"].to_list() == ["007", "8"]


def test_removed_table_is_not_there(kit):
    kit.put_table("cities", ROWS)
    cities(kit)
    kit.remove_table("cities")
    with pytest.raises(qdb.AliasNotFound):
        cities(kit)
    with pytest.raises(qdb.AliasNotFound):
        kit.remove_table("cities")


def test_table_that_could_not_be_posted_is_not_stored(kit):
    class Odd:
        name, content_type, accept = "odd", "text/html", "application/json"

        def encode(self, table):
            return table

        def decode(self, content, content_type):
            raise NotImplementedError

    wide = {f"a_column_with_the_number_{number}": "string" for number in range(3000)}
    for table in (TableContent(b"", "text/html"), TableContent(b"", "text/csv", wide), b""):
        with pytest.raises((TypeError, ValueError)):
            kit.put_table("cities", table, codec=Odd())
    with pytest.raises(qdb.AliasTooLong):
        kit.put_table("n" * 1015, ROWS)
    assert kit.qdb.prefix_get("table/") == []


def test_codecs_of_tables_that_the_settings_name_are_known():
    class Lines(Csv):
        name = "lines"

    tables = TableRegistry.default().with_codecs(Lines())
    with StoreKit(qcache_options={"tables": tables}) as kit:
        kit.put_table("cities", "city\nKiruna\n", codec="lines")
        assert kit.query("cities", {}, codec="lines") == "city\nKiruna\n"


@pytest.mark.parametrize("name", ["", "a b", "é", "a/b", 7])
def test_wrong_names_are_refused(kit, name):
    with pytest.raises((TypeError, ValueError)):
        kit.put_table(name, ROWS)
    with pytest.raises((TypeError, ValueError)):
        kit.query(name, {})
    with pytest.raises((TypeError, ValueError)):
        kit.remove_table(name)


def test_what_is_no_table_is_refused_before_anything_is_stored(kit):
    for table in (7, None, [1], [{"a": object()}]):
        with pytest.raises((TypeError, ValueError)):
            kit.put_table("cities", table)
    assert kit.qdb.prefix_get("table/") == []


def test_kit_may_have_one_store_only():
    with StoreKit(qcache=None) as kit:
        kit.qdb.put("a", 1)
        with pytest.raises(ValueError, match="qcache is None"):
            kit.query("cities", {})
    with StoreKit(qdb=None) as kit:
        kit.qcache.post("a", "b\n1\n")
        with pytest.raises(ValueError, match="qdb is None"):
            kit.put_table("cities", ROWS)


def test_connections_that_are_to_be_kept_are_open_once_a_kit_is_entered():
    options = {"limits": {"min_size": 2}}
    with StubNode() as node:
        url = node.url.replace("http:", "qcache:")
        with StoreKit(
            qdb="embedded:kept?mode=memory", qdb_options=options, qcache=url, qcache_options=options
        ) as kit:
            (transport,) = kit.qcache._owned_transports
            assert [pool.idle for pool in transport.statistics().values()] == [2]
            assert kit.qdb.statistics().sessions >= 2


def test_observers_see_both_stores(caplog):
    caplog.set_level(logging.DEBUG, "storekit.calls")
    observer = storekit.observers.LoggingObserver()
    with StoreKit(observers=[observer]) as kit:
        kit.put_table("cities", ROWS)
        cities(kit)
    stores = {record.message.split()[0] for record in caplog.records}
    assert stores == {"qdb", "qcache"}


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("embedded:", Client),
        ("qdb+embedded:", Client),
        ("embedded:kit?mode=memory", Client),
        ("qcache://localhost:1,localhost:2", QClient),
        ("qcaches://localhost:1", QClient),
        ("qcache+embedded:", QClient),
    ],
)
def test_url_says_which_client_is_made(url, kind):
    with connect(url) as client:
        assert isinstance(client, kind)


def test_options_go_to_the_client():
    with pytest.raises(TypeError, match="timeout"):
        connect("embedded:", timeout="soon")
    with connect("embedded:", codec="json") as client:
        client.put("a", [1])
        assert client.get("a", codec="raw") == b"[1]"


def test_settings_of_a_file_make_a_kit(tmp_path):
    (tmp_path / "kit.toml").write_text(
        f"""
        [storekit]
        qdb = "embedded:{tmp_path}/store"
        codec = "json"
        timeout = 5.0
        [storekit.retry]
        attempts = 2
        """
    )
    with StoreKit.from_toml(tmp_path / "kit.toml") as kit:
        kit.qdb.put("a", {"b": 1})
        assert kit.qdb.get("a", codec="raw") == b'{"b":1}'
        assert kit.settings.retry.attempts == 2
    with StoreKit(Settings(qdb=f"embedded:{tmp_path}/store", codec="json")) as kit:
        assert kit.qdb.get("a") == {"b": 1}
