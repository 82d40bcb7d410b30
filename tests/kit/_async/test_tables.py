"""Tables that live in both stores: which version a query answers from, whatever happens."""

import pytest

from storekit import AsyncStoreKit, CodecError, qcache, qdb
from storekit.codecs.tables import TableContent
from storekit.core.seam._async import monotonic, run_all, sleep
from storekit.kit._async.tables import AsyncTables
from storekit.kit.tables import KEPT_FOR, content_alias, key_of, pack_table, unpack_version

OLD, NEW = "city\nUppsala\n", "city\nKiruna\n"


@pytest.fixture
async def kit(store):
    async with AsyncStoreKit(qdb=store.place) as kit:
        yield kit


@pytest.fixture
async def two_kits(tmp_path):
    """Two kits with a cache each over one store, as two processes have them."""
    async with (
        AsyncStoreKit(qdb=f"embedded:{tmp_path}/store") as one,
        AsyncStoreKit(qdb=f"embedded:{tmp_path}/store") as other,
    ):
        yield one, other


async def city(kit, **options):
    ((name,),) = [row.values() for row in (await kit.query("cities", {}, **options)).json()]
    return name


async def version_of(kit):
    return unpack_version(await kit.qdb.get("table/cities", codec="raw"), "table/cities")


async def test_table_that_another_kit_put_is_answered_from_at_once(two_kits):
    one, other = two_kits
    await one.put_table("cities", OLD)
    assert await city(other) == "Uppsala"
    await one.put_table("cities", NEW)
    assert [await city(one), await city(other)] == ["Kiruna", "Kiruna"]
    await other.remove_table("cities")
    for kit in two_kits:
        with pytest.raises(qdb.AliasNotFound):
            await city(kit)


async def test_query_costs_one_get_more_than_the_query(kit, monkeypatch):
    await kit.put_table("cities", OLD)
    await city(kit)
    gets, questions = [], []
    get, ask = kit.qdb.get, kit.qcache.get

    async def count_gets(alias, **options):
        gets.append(alias)
        return await get(alias, **options)

    async def count_questions(key, *args, **options):
        questions.append(key)
        return await ask(key, *args, **options)

    monkeypatch.setattr(kit.qdb, "get", count_gets)
    monkeypatch.setattr(kit.qcache, "get", count_questions)
    assert await city(kit) == "Uppsala"
    assert (gets, len(questions)) == (["table/cities"], 1)


async def test_version_that_was_read_lately_is_taken_for_the_newest_if_that_is_asked_for(two_kits):
    one, other = two_kits
    now = [0.0]
    one._tables = AsyncTables(
        lambda: one.qdb, lambda: one.qcache, has_qcache=True, clock=lambda: now[0]
    )
    await one.put_table("cities", OLD)
    assert await city(one) == "Uppsala"
    await other.put_table("cities", NEW)
    now[0] = 5.0
    assert await city(one, max_age=5) == "Uppsala"
    assert await city(one, max_age=4.9) == "Kiruna"
    assert await city(one, max_age=60) == "Kiruna"
    await one.put_table("cities", OLD)
    assert await city(one, max_age=60) == "Uppsala"  # what this kit put, it knows of


@pytest.mark.parametrize(
    ("max_age", "error"),
    [(-1, ValueError), (float("inf"), ValueError), ("5", TypeError), (True, TypeError)],
)
async def test_max_age_is_a_number_of_seconds(kit, max_age, error):
    with pytest.raises(error, match="max_age"):
        await kit.query("cities", {}, max_age=max_age)


async def test_version_that_qcache_dropped_is_loaded_again(kit):
    await kit.put_table("cities", OLD)
    await city(kit)
    await kit.qcache.delete(key_of("cities", await version_of(kit)))
    assert await city(kit) == "Uppsala"


async def test_table_that_is_put_during_a_load_is_not_mixed_up_with_it(kit, monkeypatch):
    await kit.put_table("cities", OLD)
    post = kit.qcache.post
    changes = iter([NEW])

    async def post_late(*args, **options):
        for change in changes:
            await kit.put_table("cities", change)  # after the load has read the one before
        await post(*args, **options)

    monkeypatch.setattr(kit.qcache, "post", post_late)
    assert await city(kit) in ("Uppsala", "Kiruna")
    assert await city(kit) == "Kiruna"


async def test_table_that_is_put_anew_before_each_answer_is_given_up(kit, monkeypatch):
    await kit.put_table("cities", OLD)
    post = kit.qcache.post

    async def post_and_drop(key, *args, **options):
        await post(key, *args, **options)
        await kit.qcache.delete(key)

    monkeypatch.setattr(kit.qcache, "post", post_and_drop)
    with pytest.raises(qcache.TooManyConsecutiveErrors, match="after each of 5 loads"):
        await city(kit)


async def test_many_callers_share_one_load(kit, monkeypatch):
    await kit.put_table("cities", OLD)
    posts = []
    post = kit.qcache.post

    async def count(key, *args, **options):
        posts.append(key)
        await post(key, *args, **options)

    monkeypatch.setattr(kit.qcache, "post", count)
    found = []

    async def ask():
        found.append(await city(kit))

    await run_all([ask] * 20)
    assert found == ["Uppsala"] * 20
    assert len(set(posts)) == 1
    assert len(posts) < 20


async def test_pages_are_all_of_one_version(kit):
    await kit.put_table("cities", [{"city": f"old-{number}"} for number in range(9)])
    rows = []
    async for page in kit.pages("cities", {"order_by": ["city"]}, page_size=2):
        rows += [row["city"] for row in page.json()]
        if len(rows) == 2:
            monkeypatched = kit.qcache.delete  # the courtesy, which would end the pages

            async def keep(key):
                return None

            kit.qcache.delete = keep
            await kit.put_table("cities", [{"city": f"new-{number}"} for number in range(9)])
            kit.qcache.delete = monkeypatched
    assert rows == [f"old-{number}" for number in range(9)]


async def test_pages_of_a_version_that_qcache_dropped_end_with_an_error(kit):
    await kit.put_table("cities", [{"city": f"old-{number}"} for number in range(9)])
    with pytest.raises(qcache.DatasetMissing):
        async for _ in kit.pages("cities", {}, page_size=2):
            await kit.put_table("cities", NEW)


async def test_old_version_goes_when_a_new_one_is_put(kit):
    await kit.put_table("cities", OLD)
    await city(kit)
    old = await version_of(kit)
    assert await kit.qdb.get_expiry_time(content_alias("cities", old)) is None
    await kit.put_table("cities", NEW)
    assert await kit.qcache.get(key_of("cities", old), {}) is None
    expiry = await kit.qdb.get_expiry_time(content_alias("cities", old))
    newest = await kit.qdb.get_expiry_time(content_alias("cities", await version_of(kit)))
    assert expiry is not None
    assert newest is None
    assert 0 < KEPT_FOR <= 60


async def test_put_that_is_repeated_keeps_what_it_stored(kit, monkeypatch):
    """A policy that repeats writes may find its own version there already."""
    await kit.put_table("cities", OLD)
    get_update = kit.qdb.get_update

    async def twice(*args, **options):
        await get_update(*args, **options)
        return await get_update(*args, **options)

    monkeypatch.setattr(kit.qdb, "get_update", twice)
    await kit.put_table("cities", NEW)
    alias = content_alias("cities", await version_of(kit))
    assert await kit.qdb.get_expiry_time(alias) is None
    assert await city(kit) == "Kiruna"


async def test_put_succeeds_where_old_versions_cannot_be_removed(kit, monkeypatch, caplog):
    await kit.put_table("cities", OLD)
    await city(kit)

    async def fail(*args, **options):
        raise qcache.NoCacheAvailable("no node")

    caplog.set_level("INFO", "storekit")
    monkeypatch.setattr(kit.qcache, "delete", fail)
    await kit.put_table("cities", NEW)
    assert "old version of the table 'cities' was not removed" in caplog.text
    assert await city(kit) == "Kiruna"


async def test_put_that_fails_leaves_the_table_as_it_was(kit, monkeypatch):
    await kit.put_table("cities", OLD)

    async def fail(*args, **options):
        raise qdb.ConnectionFailed(qdb.ErrorCode.CONNECTION_RESET)

    for write in ("update", "get_update"):
        with monkeypatch.context() as patch:
            patch.setattr(kit.qdb, write, fail)
            with pytest.raises(qdb.ConnectionFailed):
                await kit.put_table("cities", NEW)
        assert await city(kit) == "Uppsala"


async def test_upload_whose_answer_was_lost_does_no_harm(kit, monkeypatch):
    await kit.put_table("cities", OLD)
    post = kit.qcache.post

    async def post_and_fail(*args, **options):
        await post(*args, **options)
        raise qcache.NoCacheAvailable("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(kit.qcache, "post", post_and_fail)
        with pytest.raises(qcache.NoCacheAvailable):
            await city(kit)
    await kit.put_table("cities", NEW)
    assert await city(kit) == "Kiruna"


async def test_table_that_was_never_put_is_named_with_the_way_to_put_one(kit):
    said = r"no table 'sales'.*put_table"
    with pytest.raises(qdb.AliasNotFound, match=said):
        await kit.query("sales", {})
    with pytest.raises(qdb.AliasNotFound, match=said):
        await kit.remove_table("sales")


async def test_query_says_that_it_takes_no_load_function(kit):
    with pytest.raises(TypeError, match=r"load_fn.*put_table"):
        await kit.query("cities", {}, load_fn=lambda: OLD)


async def test_entry_that_is_no_table_is_told_of(kit):
    await kit.qdb.put("table/cities", {"any": "object"})
    with pytest.raises(CodecError, match="table/cities"):
        await city(kit)


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
async def test_stored_content_that_cannot_be_posted_is_told_of(kit, types, content_type):
    await kit.put_table("cities", OLD)
    alias = content_alias("cities", await version_of(kit))
    packed = pack_table(TableContent(b"a\n1\n", content_type, types))
    await kit.qdb.update(alias, packed, codec="raw")
    with pytest.raises(CodecError, match="table/cities/"):
        await kit.query("cities", {})


async def test_a_query_has_one_deadline_for_all_that_it_does(monkeypatch):
    async with AsyncStoreKit(timeout=0.3) as kit:
        await kit.put_table("cities", OLD)
        get = kit.qcache.get

        async def slow(*args, **options):
            await sleep(0.1)
            return await get(*args, **options)

        async def post_and_drop(key, *args, **options):
            await kit.qcache.delete(key)

        monkeypatch.setattr(kit.qcache, "get", slow)
        monkeypatch.setattr(kit.qcache, "post", post_and_drop)
        began = monotonic()
        with pytest.raises((qcache.QClientException, qdb.StoreTimeout)):
            await city(kit)
        assert monotonic() - began < 0.6
