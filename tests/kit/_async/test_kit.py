import logging

import pytest

import storekit
from storekit import AsyncStoreKit, CodecError, Settings, StaleCache, qcache, qdb
from storekit.codecs.tables import Csv, TableContent, TableRegistry
from storekit.kit._async.connecting import connect
from storekit.kit.tables import pack_table
from storekit.qcache import AsyncQClient
from storekit.qdb import AsyncClient

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
    assert await kit.qcache.get("cities", NAMES) is not None
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


async def test_table_that_was_dropped_is_loaded_again(kit):
    await kit.put_table("cities", ROWS)
    await kit.qcache.delete("cities")
    assert await cities(kit) == ["Uppsala", "Visby"]
    await kit.forget_table("cities")
    assert await cities(kit) == ["Uppsala", "Visby"]


async def test_change_during_a_load_is_not_missed(kit, monkeypatch):
    await kit.put_table("cities", ROWS)
    post, changes = kit.qcache.post, iter(["city\nKiruna\n", "city\nBoden\n"])

    async def post_late(*args, **kwargs):
        for change in changes:
            await kit.put_table("cities", change)  # after the load has read the one before
            break
        await post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "post", post_late)
    assert await cities(kit) == ["Boden"]


async def test_table_that_goes_during_a_load_leaves_nothing(kit, monkeypatch):
    await kit.put_table("cities", ROWS)
    post = kit.qcache.post

    async def post_late(*args, **kwargs):
        await kit.remove_table("cities")
        await post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "post", post_late)
    with pytest.raises(qdb.AliasNotFound):
        await cities(kit)
    assert await kit.qcache.get("cities", NAMES) is None


async def test_store_that_fails_during_a_load_leaves_nothing_unchecked(kit, monkeypatch):
    await kit.put_table("cities", ROWS)
    versions = iter([kit._version, None])
    version = kit._version

    async def version_once(name):
        if next(versions) is None:
            raise qdb.ConnectionFailed(qdb.ErrorCode.CONNECTION_RESET)
        return await version(name)

    monkeypatch.setattr(kit, "_version", version_once)
    with pytest.raises(qdb.ConnectionFailed):
        await cities(kit)
    assert await kit.qcache.get("cities", NAMES) is None


async def test_upload_that_seems_to_fail_leaves_nothing_unchecked(kit, monkeypatch):
    await kit.put_table("cities", ROWS)
    post = kit.qcache.post

    async def post_and_fail(*args, **kwargs):
        await post(*args, **kwargs)
        raise qcache.NoCacheAvailable("the answer was lost")

    monkeypatch.setattr(kit.qcache, "post", post_and_fail)
    with pytest.raises(qcache.NoCacheAvailable):
        await cities(kit)
    assert await kit.qcache.get("cities", NAMES) is None


async def test_table_that_changes_during_each_load_is_given_up(kit, monkeypatch):
    await kit.put_table("cities", ROWS)
    post = kit.qcache.post

    async def post_late(*args, **kwargs):
        await kit.put_table("cities", ROWS)
        await post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "post", post_late)
    with pytest.raises(qcache.TooManyConsecutiveErrors, match="changed during each"):
        await cities(kit)


async def test_put_says_if_the_cache_could_not_be_told(kit, monkeypatch):
    async def fail(key):
        raise qcache.NoCacheAvailable("no node")

    monkeypatch.setattr(kit.qcache, "delete", fail)
    with pytest.raises(StaleCache, match="cities") as caught:
        await kit.put_table("cities", ROWS)
    assert isinstance(caught.value.__cause__, qcache.NoCacheAvailable)
    monkeypatch.undo()
    assert await cities(kit) == ["Uppsala", "Visby"]  # it is stored


async def test_failed_put_has_the_cache_forget_all_the_same(kit, monkeypatch):
    await kit.put_table("cities", ROWS)
    await cities(kit)

    async def fail(*args, **kwargs):
        raise qdb.ConnectionFailed(qdb.ErrorCode.CONNECTION_RESET)

    monkeypatch.setattr(kit.qdb, "update", fail)
    with pytest.raises(qdb.ConnectionFailed):
        await kit.put_table("cities", ROWS)
    assert await kit.qcache.get("cities", NAMES) is None


async def test_entry_that_is_no_table_is_told_of(kit):
    await kit.qdb.put("table/cities", {"any": "object"})
    with pytest.raises(CodecError, match="table/cities"):
        await cities(kit)


@pytest.mark.parametrize(
    ("types", "content_type"),
    [
        ({"a": 5}, "text/csv"),
        ({"a": "string\r\nX-More: 1"}, "text/csv"),
        ({"a;b": "string"}, "text/csv"),
        ({}, "text/csv\r\nX-More: 1"),
        ({}, "text/html"),
    ],
)
async def test_stored_table_that_cannot_be_posted_is_told_of(kit, types, content_type):
    packed = pack_table(TableContent(b"a\n1\n", content_type, types))
    await kit.qdb.put("table/cities", packed, codec="raw")
    with pytest.raises(CodecError, match="table/cities"):
        await kit.query("cities", {})


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


async def test_miss_that_was_answered_late_needs_no_load(kit, monkeypatch):
    await kit.put_table("cities", ROWS)
    get, posts = kit.qcache.get, []
    post = kit.qcache.post

    async def get_and_let_others_go_first(*args, **kwargs):
        result = await get(*args, **kwargs)
        monkeypatch.setattr(kit.qcache, "get", get)
        assert await cities(kit) == ["Uppsala", "Visby"]
        return result

    async def count_posts(*args, **kwargs):
        posts.append(args)
        await post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "get", get_and_let_others_go_first)
    monkeypatch.setattr(kit.qcache, "post", count_posts)
    assert await cities(kit) == ["Uppsala", "Visby"]
    assert len(posts) == 1


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
