# Generated from tests/kit/_async/test_tables.py by tools/generate_sync.py; do not edit.

"""Tables that live in both stores: which version a query answers from, whatever happens."""

import pytest

from storekit import CodecError, StoreKit, qcache, qdb
from storekit.codecs.tables import TableContent
from storekit.core.seam._sync import monotonic, run_all, sleep
from storekit.kit._sync.tables import Tables
from storekit.kit.tables import KEPT_FOR, content_alias, key_of, pack_table, unpack_version

OLD, NEW = "city\nUppsala\n", "city\nKiruna\n"


@pytest.fixture
def kit(store):
    with StoreKit(qdb=store.place) as kit:
        yield kit


@pytest.fixture
def two_kits(tmp_path):
    """Two kits with a cache each over one store, as two processes have them."""
    with (
        StoreKit(qdb=f"embedded:{tmp_path}/store") as one,
        StoreKit(qdb=f"embedded:{tmp_path}/store") as other,
    ):
        yield one, other


def city(kit, **options):
    ((name,),) = [row.values() for row in kit.query("cities", {}, **options).json()]
    return name


def version_of(kit):
    return unpack_version(kit.qdb.get("table/cities", codec="raw"), "table/cities")


def test_table_that_another_kit_put_is_answered_from_at_once(two_kits):
    one, other = two_kits
    one.put_table("cities", OLD)
    assert city(other) == "Uppsala"
    one.put_table("cities", NEW)
    assert [city(one), city(other)] == ["Kiruna", "Kiruna"]
    other.remove_table("cities")
    for kit in two_kits:
        with pytest.raises(qdb.AliasNotFound):
            city(kit)


def test_query_costs_one_get_more_than_the_query(kit, monkeypatch):
    kit.put_table("cities", OLD)
    city(kit)
    gets, questions = [], []
    get, ask = kit.qdb.get, kit.qcache.get

    def count_gets(alias, **options):
        gets.append(alias)
        return get(alias, **options)

    def count_questions(key, *args, **options):
        questions.append(key)
        return ask(key, *args, **options)

    monkeypatch.setattr(kit.qdb, "get", count_gets)
    monkeypatch.setattr(kit.qcache, "get", count_questions)
    assert city(kit) == "Uppsala"
    assert (gets, len(questions)) == (["table/cities"], 1)


def test_version_that_was_read_lately_is_taken_for_the_newest_if_that_is_asked_for(two_kits):
    one, other = two_kits
    now = [0.0]
    one._tables = Tables(lambda: one.qdb, lambda: one.qcache, has_qcache=True, clock=lambda: now[0])
    one.put_table("cities", OLD)
    assert city(one) == "Uppsala"
    other.put_table("cities", NEW)
    now[0] = 5.0
    assert city(one, max_age=5) == "Uppsala"
    assert city(one, max_age=4.9) == "Kiruna"
    assert city(one, max_age=60) == "Kiruna"
    one.put_table("cities", OLD)
    assert city(one, max_age=60) == "Uppsala"  # what this kit put, it knows of


@pytest.mark.parametrize(
    ("max_age", "error"),
    [(-1, ValueError), (float("inf"), ValueError), ("5", TypeError), (True, TypeError)],
)
def test_max_age_is_a_number_of_seconds(kit, max_age, error):
    with pytest.raises(error, match="max_age"):
        kit.query("cities", {}, max_age=max_age)


def test_version_that_qcache_dropped_is_loaded_again(kit):
    kit.put_table("cities", OLD)
    city(kit)
    kit.qcache.delete(key_of("cities", version_of(kit)))
    assert city(kit) == "Uppsala"


def test_table_that_is_put_during_a_load_is_not_mixed_up_with_it(kit, monkeypatch):
    kit.put_table("cities", OLD)
    post = kit.qcache.post
    changes = iter([NEW])

    def post_late(*args, **options):
        for change in changes:
            kit.put_table("cities", change)  # after the load has read the one before
        post(*args, **options)

    monkeypatch.setattr(kit.qcache, "post", post_late)
    assert city(kit) in ("Uppsala", "Kiruna")
    assert city(kit) == "Kiruna"


def test_table_that_is_put_anew_before_each_answer_is_given_up(kit, monkeypatch):
    kit.put_table("cities", OLD)
    post = kit.qcache.post

    def post_and_drop(key, *args, **options):
        post(key, *args, **options)
        kit.qcache.delete(key)

    monkeypatch.setattr(kit.qcache, "post", post_and_drop)
    with pytest.raises(qcache.TooManyConsecutiveErrors, match="after each of 5 loads"):
        city(kit)


def test_many_callers_share_one_load(kit, monkeypatch):
    kit.put_table("cities", OLD)
    posts = []
    post = kit.qcache.post

    def count(key, *args, **options):
        posts.append(key)
        post(key, *args, **options)

    monkeypatch.setattr(kit.qcache, "post", count)
    found = []

    def ask():
        found.append(city(kit))

    run_all([ask] * 20)
    assert found == ["Uppsala"] * 20
    assert len(set(posts)) == 1
    assert len(posts) < 20


def test_pages_are_all_of_one_version(kit):
    kit.put_table("cities", [{"city": f"old-{number}"} for number in range(9)])
    rows = []
    for page in kit.pages("cities", {"order_by": ["city"]}, page_size=2):
        rows += [row["city"] for row in page.json()]
        if len(rows) == 2:
            monkeypatched = kit.qcache.delete  # the courtesy, which would end the pages

            def keep(key):
                return None

            kit.qcache.delete = keep
            kit.put_table("cities", [{"city": f"new-{number}"} for number in range(9)])
            kit.qcache.delete = monkeypatched
    assert rows == [f"old-{number}" for number in range(9)]


def test_pages_of_a_version_that_qcache_dropped_end_with_an_error(kit):
    kit.put_table("cities", [{"city": f"old-{number}"} for number in range(9)])
    with pytest.raises(qcache.DatasetMissing):
        for _ in kit.pages("cities", {}, page_size=2):
            kit.put_table("cities", NEW)


def test_old_version_goes_when_a_new_one_is_put(kit):
    kit.put_table("cities", OLD)
    city(kit)
    old = version_of(kit)
    assert kit.qdb.get_expiry_time(content_alias("cities", old)) is None
    kit.put_table("cities", NEW)
    assert kit.qcache.get(key_of("cities", old), {}) is None
    expiry = kit.qdb.get_expiry_time(content_alias("cities", old))
    newest = kit.qdb.get_expiry_time(content_alias("cities", version_of(kit)))
    assert expiry is not None
    assert newest is None
    assert 0 < KEPT_FOR <= 60


def test_put_that_is_repeated_keeps_what_it_stored(kit, monkeypatch):
    """A policy that repeats writes may find its own version there already."""
    kit.put_table("cities", OLD)
    get_update = kit.qdb.get_update

    def twice(*args, **options):
        get_update(*args, **options)
        return get_update(*args, **options)

    monkeypatch.setattr(kit.qdb, "get_update", twice)
    kit.put_table("cities", NEW)
    alias = content_alias("cities", version_of(kit))
    assert kit.qdb.get_expiry_time(alias) is None
    assert city(kit) == "Kiruna"


def test_put_succeeds_where_old_versions_cannot_be_removed(kit, monkeypatch, caplog):
    kit.put_table("cities", OLD)
    city(kit)

    def fail(*args, **options):
        raise qcache.NoCacheAvailable("no node")

    caplog.set_level("INFO", "storekit")
    monkeypatch.setattr(kit.qcache, "delete", fail)
    kit.put_table("cities", NEW)
    assert "old version of the table 'cities' was not removed" in caplog.text
    assert city(kit) == "Kiruna"


def test_put_that_fails_leaves_the_table_as_it_was(kit, monkeypatch):
    kit.put_table("cities", OLD)

    def fail(*args, **options):
        raise qdb.ConnectionFailed(qdb.ErrorCode.CONNECTION_RESET)

    for write in ("update", "get_update"):
        with monkeypatch.context() as patch:
            patch.setattr(kit.qdb, write, fail)
            with pytest.raises(qdb.ConnectionFailed):
                kit.put_table("cities", NEW)
        assert city(kit) == "Uppsala"


def test_upload_whose_answer_was_lost_does_no_harm(kit, monkeypatch):
    kit.put_table("cities", OLD)
    post = kit.qcache.post

    def post_and_fail(*args, **options):
        post(*args, **options)
        raise qcache.NoCacheAvailable("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(kit.qcache, "post", post_and_fail)
        with pytest.raises(qcache.NoCacheAvailable):
            city(kit)
    kit.put_table("cities", NEW)
    assert city(kit) == "Kiruna"


def test_table_that_was_never_put_is_named_with_the_way_to_put_one(kit):
    said = r"no table 'sales'.*put_table"
    with pytest.raises(qdb.AliasNotFound, match=said):
        kit.query("sales", {})
    with pytest.raises(qdb.AliasNotFound, match=said):
        kit.remove_table("sales")


def test_query_says_that_it_takes_no_load_function(kit):
    with pytest.raises(TypeError, match=r"load_fn.*put_table"):
        kit.query("cities", {}, load_fn=lambda: OLD)


def test_entry_that_is_no_table_is_told_of(kit):
    kit.qdb.put("table/cities", {"any": "object"})
    with pytest.raises(CodecError, match="table/cities"):
        city(kit)


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
def test_stored_content_that_cannot_be_posted_is_told_of(kit, types, content_type):
    kit.put_table("cities", OLD)
    alias = content_alias("cities", version_of(kit))
    packed = pack_table(TableContent(b"a\n1\n", content_type, types))
    kit.qdb.update(alias, packed, codec="raw")
    with pytest.raises(CodecError, match="table/cities/"):
        kit.query("cities", {})


def test_a_query_has_one_deadline_for_all_that_it_does(monkeypatch):
    with StoreKit(timeout=0.3) as kit:
        kit.put_table("cities", OLD)
        get = kit.qcache.get

        def slow(*args, **options):
            sleep(0.1)
            return get(*args, **options)

        def post_and_drop(key, *args, **options):
            kit.qcache.delete(key)

        monkeypatch.setattr(kit.qcache, "get", slow)
        monkeypatch.setattr(kit.qcache, "post", post_and_drop)
        began = monotonic()
        with pytest.raises((qcache.QClientException, qdb.StoreTimeout)):
            city(kit)
        assert monotonic() - began < 0.6
