# Generated from tests/kit/_async/test_kit.py by tools/generate_sync.py; do not edit.

import logging

import pytest

import storekit
from storekit import CodecError, Settings, StaleCache, StoreKit, qcache, qdb
from storekit.codecs.tables import Csv, TableContent, TableRegistry
from storekit.kit._sync.connecting import connect
from storekit.kit.tables import pack_table
from storekit.qcache import QClient
from storekit.qdb import Client

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
    assert kit.qcache.get("cities", NAMES) is not None
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


def test_table_that_was_dropped_is_loaded_again(kit):
    kit.put_table("cities", ROWS)
    kit.qcache.delete("cities")
    assert cities(kit) == ["Uppsala", "Visby"]
    kit.forget_table("cities")
    assert cities(kit) == ["Uppsala", "Visby"]


def test_change_during_a_load_is_not_missed(kit, monkeypatch):
    kit.put_table("cities", ROWS)
    post, changes = kit.qcache.post, iter(["city\nKiruna\n", "city\nBoden\n"])

    def post_late(*args, **kwargs):
        for change in changes:
            kit.put_table("cities", change)  # after the load has read the one before
            break
        post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "post", post_late)
    assert cities(kit) == ["Boden"]


def test_table_that_goes_during_a_load_leaves_nothing(kit, monkeypatch):
    kit.put_table("cities", ROWS)
    post = kit.qcache.post

    def post_late(*args, **kwargs):
        kit.remove_table("cities")
        post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "post", post_late)
    with pytest.raises(qdb.AliasNotFound):
        cities(kit)
    assert kit.qcache.get("cities", NAMES) is None


def test_store_that_fails_during_a_load_leaves_nothing_unchecked(kit, monkeypatch):
    kit.put_table("cities", ROWS)
    versions = iter([kit._version, None])
    version = kit._version

    def version_once(name):
        if next(versions) is None:
            raise qdb.ConnectionFailed(qdb.ErrorCode.CONNECTION_RESET)
        return version(name)

    monkeypatch.setattr(kit, "_version", version_once)
    with pytest.raises(qdb.ConnectionFailed):
        cities(kit)
    assert kit.qcache.get("cities", NAMES) is None


def test_upload_that_seems_to_fail_leaves_nothing_unchecked(kit, monkeypatch):
    kit.put_table("cities", ROWS)
    post = kit.qcache.post

    def post_and_fail(*args, **kwargs):
        post(*args, **kwargs)
        raise qcache.NoCacheAvailable("the answer was lost")

    monkeypatch.setattr(kit.qcache, "post", post_and_fail)
    with pytest.raises(qcache.NoCacheAvailable):
        cities(kit)
    assert kit.qcache.get("cities", NAMES) is None


def test_table_that_changes_during_each_load_is_given_up(kit, monkeypatch):
    kit.put_table("cities", ROWS)
    post = kit.qcache.post

    def post_late(*args, **kwargs):
        kit.put_table("cities", ROWS)
        post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "post", post_late)
    with pytest.raises(qcache.TooManyConsecutiveErrors, match="changed during each"):
        cities(kit)


def test_put_says_if_the_cache_could_not_be_told(kit, monkeypatch):
    def fail(key):
        raise qcache.NoCacheAvailable("no node")

    monkeypatch.setattr(kit.qcache, "delete", fail)
    with pytest.raises(StaleCache, match="cities") as caught:
        kit.put_table("cities", ROWS)
    assert isinstance(caught.value.__cause__, qcache.NoCacheAvailable)
    monkeypatch.undo()
    assert cities(kit) == ["Uppsala", "Visby"]  # it is stored


def test_failed_put_has_the_cache_forget_all_the_same(kit, monkeypatch):
    kit.put_table("cities", ROWS)
    cities(kit)

    def fail(*args, **kwargs):
        raise qdb.ConnectionFailed(qdb.ErrorCode.CONNECTION_RESET)

    monkeypatch.setattr(kit.qdb, "update", fail)
    with pytest.raises(qdb.ConnectionFailed):
        kit.put_table("cities", ROWS)
    assert kit.qcache.get("cities", NAMES) is None


def test_entry_that_is_no_table_is_told_of(kit):
    kit.qdb.put("table/cities", {"any": "object"})
    with pytest.raises(CodecError, match="table/cities"):
        cities(kit)


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
def test_stored_table_that_cannot_be_posted_is_told_of(kit, types, content_type):
    packed = pack_table(TableContent(b"a\n1\n", content_type, types))
    kit.qdb.put("table/cities", packed, codec="raw")
    with pytest.raises(CodecError, match="table/cities"):
        kit.query("cities", {})


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


def test_miss_that_was_answered_late_needs_no_load(kit, monkeypatch):
    kit.put_table("cities", ROWS)
    get, posts = kit.qcache.get, []
    post = kit.qcache.post

    def get_and_let_others_go_first(*args, **kwargs):
        result = get(*args, **kwargs)
        monkeypatch.setattr(kit.qcache, "get", get)
        assert cities(kit) == ["Uppsala", "Visby"]
        return result

    def count_posts(*args, **kwargs):
        posts.append(args)
        post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "get", get_and_let_others_go_first)
    monkeypatch.setattr(kit.qcache, "post", count_posts)
    assert cities(kit) == ["Uppsala", "Visby"]
    assert len(posts) == 1


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
