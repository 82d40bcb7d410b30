import logging

import pytest

import storekit
from storekit import AsyncStoreKit, Settings, qdb
from storekit.codecs.tables import Csv, TableContent, TableRegistry
from storekit.kit._async.connecting import connect
from storekit.qcache import AsyncQClient
from storekit.qdb import AsyncClient
from tests.support.stub_node import StubNode

ROWS = [{"city": "Uppsala", "people": 177074}, {"city": "Visby", "people": 24330}]
NAMES = {"select": ["city"], "order_by": ["city"]}


@pytest.fixture
async def kit():
    async with AsyncStoreKit() as kit:
        yield kit


async def cities(kit):
    return [row["city"] for row in (await kit.query("cities", NAMES)).json()]


async def test_table_is_answered_for_once_it_is_put(kit):
    await kit.put_table("cities", ROWS)
    assert await cities(kit) == ["Uppsala", "Visby"]
    await kit.put_table("cities", "city,people\nKiruna,22433\n")
    assert await cities(kit) == ["Kiruna"]


async def test_frame_keeps_its_types(kit):
    polars = pytest.importorskip("polars")
    await kit.put_table("codes", polars.DataFrame({"code": ["007", "8"]}))
    assert (await kit.query("codes", {})).json() == [{"code": "007"}, {"code": "8"}]
    assert (await kit.query("codes", {}, codec="polars"))["code"].to_list() == ["007", "8"]


async def test_removed_table_is_not_there(kit):
    await kit.put_table("cities", ROWS)
    await cities(kit)
    await kit.remove_table("cities")
    with pytest.raises(qdb.AliasNotFound):
        await cities(kit)
    with pytest.raises(qdb.AliasNotFound):
        await kit.remove_table("cities")


async def test_table_that_could_not_be_posted_is_not_stored(kit):
    class Odd:
        name, content_type, accept = "odd", "text/html", "application/json"

        def encode(self, table):
            return table

        def decode(self, content, content_type):
            raise NotImplementedError

    wide = {f"a_column_with_the_number_{number}": "string" for number in range(3000)}
    for table in (TableContent(b"", "text/html"), TableContent(b"", "text/csv", wide), b""):
        with pytest.raises((TypeError, ValueError)):
            await kit.put_table("cities", table, codec=Odd())
    with pytest.raises(qdb.AliasTooLong):
        await kit.put_table("n" * 1015, ROWS)
    assert await kit.qdb.prefix_get("table/") == []


async def test_codecs_of_tables_that_the_settings_name_are_known():
    class Lines(Csv):
        name = "lines"

    tables = TableRegistry.default().with_codecs(Lines())
    async with AsyncStoreKit(qcache_options={"tables": tables}) as kit:
        await kit.put_table("cities", "city\nKiruna\n", codec="lines")
        assert await kit.query("cities", {}, codec="lines") == "city\nKiruna\n"


@pytest.mark.parametrize("name", ["", "a b", "é", "a/b", 7])
async def test_wrong_names_are_refused(kit, name):
    with pytest.raises((TypeError, ValueError)):
        await kit.put_table(name, ROWS)
    with pytest.raises((TypeError, ValueError)):
        await kit.query(name, {})
    with pytest.raises((TypeError, ValueError)):
        await kit.remove_table(name)


async def test_what_is_no_table_is_refused_before_anything_is_stored(kit):
    for table in (7, None, [1], [{"a": object()}]):
        with pytest.raises((TypeError, ValueError)):
            await kit.put_table("cities", table)
    assert await kit.qdb.prefix_get("table/") == []


async def test_kit_may_have_one_store_only():
    async with AsyncStoreKit(qcache=None) as kit:
        await kit.qdb.put("a", 1)
        with pytest.raises(ValueError, match="qcache is None"):
            await kit.query("cities", {})
    async with AsyncStoreKit(qdb=None) as kit:
        await kit.qcache.post("a", "b\n1\n")
        with pytest.raises(ValueError, match="qdb is None"):
            await kit.put_table("cities", ROWS)


async def test_connections_that_are_to_be_kept_are_open_once_a_kit_is_entered():
    options = {"limits": {"min_size": 2}}
    with StubNode() as node:
        url = node.url.replace("http:", "qcache:")
        async with AsyncStoreKit(
            qdb="embedded:kept?mode=memory", qdb_options=options, qcache=url, qcache_options=options
        ) as kit:
            (transport,) = kit.qcache._owned_transports
            assert [pool.idle for pool in transport.statistics().values()] == [2]
            assert kit.qdb.statistics().sessions >= 2


async def test_observers_see_both_stores(caplog):
    caplog.set_level(logging.DEBUG, "storekit.calls")
    observer = storekit.observers.LoggingObserver()
    async with AsyncStoreKit(observers=[observer]) as kit:
        await kit.put_table("cities", ROWS)
        await cities(kit)
    stores = {record.message.split()[0] for record in caplog.records}
    assert stores == {"qdb", "qcache"}


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("embedded:", AsyncClient),
        ("qdb+embedded:", AsyncClient),
        ("embedded:kit?mode=memory", AsyncClient),
        ("qcache://localhost:1,localhost:2", AsyncQClient),
        ("qcaches://localhost:1", AsyncQClient),
        ("qcache+embedded:", AsyncQClient),
    ],
)
async def test_url_says_which_client_is_made(url, kind):
    async with connect(url) as client:
        assert isinstance(client, kind)


async def test_options_go_to_the_client():
    with pytest.raises(TypeError, match="timeout"):
        connect("embedded:", timeout="soon")
    async with connect("embedded:", codec="json") as client:
        await client.put("a", [1])
        assert await client.get("a", codec="raw") == b"[1]"


async def test_settings_of_a_file_make_a_kit(tmp_path):
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
    async with AsyncStoreKit.from_toml(tmp_path / "kit.toml") as kit:
        await kit.qdb.put("a", {"b": 1})
        assert await kit.qdb.get("a", codec="raw") == b'{"b":1}'
        assert kit.settings.retry.attempts == 2
    async with AsyncStoreKit(Settings(qdb=f"embedded:{tmp_path}/store", codec="json")) as kit:
        assert await kit.qdb.get("a") == {"b": 1}
