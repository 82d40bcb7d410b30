"""Calls of a kit that meet."""

import anyio
import anyio.lowlevel
import pytest

from storekit import AsyncStoreKit, ClientClosed, qdb


@pytest.fixture
async def kit():
    async with AsyncStoreKit() as kit:
        yield kit


async def test_table_that_is_put_before_a_query_is_found_by_it(kit, monkeypatch):
    """The query waits for a load of somebody else's that has looked too early."""
    get = kit.qdb.get
    missed, go_on = anyio.Event(), anyio.Event()

    async def answer_late(alias, **options):
        try:
            return await get(alias, **options)
        except qdb.AliasNotFound:
            if alias == "table/cities":
                missed.set()
                await go_on.wait()
            raise

    monkeypatch.setattr(kit.qdb, "get", answer_late)
    failed = []

    async def query_early():
        try:
            await kit.query("cities", {})
        except qdb.AliasNotFound:
            failed.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(query_early)
        await missed.wait()
        await kit.put_table("cities", "city\nKiruna\n")

        async def query():
            assert (await kit.query("cities", {})).json() == [{"city": "Kiruna"}]

        group.start_soon(query)
        with anyio.fail_after(5):
            while not kit._loads._flights or not await _waits(kit):
                await anyio.lowlevel.checkpoint()
        go_on.set()
    assert failed == [True]


async def _waits(kit):
    """Tell whether somebody waits for a load of another."""
    (flight,) = kit._loads._flights.values()
    return flight.landed._event.statistics().tasks_waiting > 0


async def test_cancelled_load_is_taken_over_by_who_waits_for_it(kit, monkeypatch):
    await kit.put_table("cities", "city\nKiruna\n")
    post = kit.qcache.post
    posting, posts = anyio.Event(), []

    async def hang_once(*args, **kwargs):
        posts.append(args)
        if len(posts) == 1:
            await post(*args, **kwargs)
            posting.set()
            await anyio.sleep_forever()
        await post(*args, **kwargs)

    monkeypatch.setattr(kit.qcache, "post", hang_once)
    answers = []

    async def query():
        answers.append((await kit.query("cities", {})).json())

    scope = anyio.CancelScope()

    async def query_and_leave():
        with scope:
            await kit.query("cities", {})

    miss = kit.qcache.get
    async with anyio.create_task_group() as group:
        group.start_soon(query_and_leave)
        await posting.wait()

        async def find_nothing(*args, **kwargs):
            monkeypatch.setattr(kit.qcache, "get", miss)

        monkeypatch.setattr(kit.qcache, "get", find_nothing)
        group.start_soon(query)
        with anyio.fail_after(5):
            while not await _waits(kit):
                await anyio.lowlevel.checkpoint()
        scope.cancel()
    assert answers == [[{"city": "Kiruna"}]]
    assert len(posts) == 2


async def test_kit_that_is_closed_while_cancelled_closes_both_clients():
    kit = AsyncStoreKit()
    await kit.put_table("cities", "city\nKiruna\n")
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with kit:
            pass
    for call in (kit.qdb.get("a"), kit.qcache.get("a", {})):
        with pytest.raises(ClientClosed):
            await call
