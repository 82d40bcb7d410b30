"""Calls of a kit that meet, in one process and in several."""

import subprocess
import sys
import uuid

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storekit import AsyncStoreKit, ClientClosed, StoreKit, qdb

QUERIES = """
import sys
from storekit import StoreKit

store, count = sys.argv[1], int(sys.argv[2])
seen = 0
with StoreKit(qdb=store) as kit:
    print("ready", flush=True)
    for _ in range(count):
        put = int(kit.qdb.get("put"))  # the last one that has returned
        found = kit.query("numbers", {}).json()[0]["number"]
        assert found >= put, f"{found} came after {put} had been put"
        assert found >= seen, f"{found} came after {seen}"
        seen = found
print("done", seen, flush=True)
"""


@pytest.fixture
async def kit():
    async with AsyncStoreKit() as kit:
        yield kit


async def test_cancelled_load_is_taken_over_by_who_waits_for_it(kit, monkeypatch):
    await kit.put_table("cities", "city\nKiruna\n")
    post = kit.qcache.post
    posting, posts = anyio.Event(), []

    async def hang_once(*args, **options):
        posts.append(args)
        if len(posts) == 1:
            posting.set()
            await anyio.sleep_forever()
        await post(*args, **options)

    monkeypatch.setattr(kit.qcache, "post", hang_once)
    answers = []

    async def query():
        answers.append((await kit.query("cities", {})).json())

    scope = anyio.CancelScope()

    async def query_and_leave():
        with scope:
            await kit.query("cities", {})

    async with anyio.create_task_group() as group:
        group.start_soon(query_and_leave)
        await posting.wait()
        group.start_soon(query)
        with anyio.fail_after(5):
            while not await _waits(kit):
                await anyio.lowlevel.checkpoint()
        scope.cancel()
    assert answers == [[{"city": "Kiruna"}]]
    assert len(posts) == 2


async def _waits(kit):
    """Tell whether somebody waits for a load of another."""
    (flight,) = kit._tables._loads._flights.values()
    return flight.done._event.statistics().tasks_waiting > 0


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


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["put", "remove", "query", "drop"])),
        max_size=25,
    )
)
def test_any_kit_answers_from_the_last_change_of_any_other(steps):
    store = f"embedded:{uuid.uuid4().hex}?mode=memory"
    kits = [StoreKit(qdb=store) for _ in range(3)]
    newest = None
    try:
        for number, (which, step) in enumerate(steps):
            kit = kits[which]
            if step == "put":
                kit.put_table("numbers", [{"number": number}])
                newest = number
            elif step == "drop":
                kit.qcache.delete("numbers")
            elif newest is None:
                with pytest.raises(qdb.AliasNotFound):
                    kit.query("numbers", {}) if step == "query" else kit.remove_table("numbers")
            elif step == "remove":
                kit.remove_table("numbers")
                newest = None
            else:
                assert kit.query("numbers", {}).json() == [{"number": newest}]
    finally:
        for kit in kits:
            kit.close()


@pytest.mark.parametrize(
    "count", [pytest.param(200, id="few"), pytest.param(25_000, id="many", marks=pytest.mark.soak)]
)
def test_no_process_answers_from_a_table_that_was_replaced(tmp_path, count):
    store = f"embedded:{tmp_path}/store"
    command = [sys.executable, "-c", QUERIES, store, str(count)]
    with StoreKit(qdb=store, qcache=None) as kit:
        kit.qdb.put("put", 0)
        kit.put_table("numbers", [{"number": 0}])
        readers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        try:
            assert [reader.stdout.readline() for reader in readers] == ["ready\n"] * 4
            number = 0
            while any(reader.poll() is None for reader in readers):
                number += 1
                kit.put_table("numbers", [{"number": number}])
                kit.qdb.update("put", number)
            # Not `communicate`, which does not know what `readline` has read ahead.
            outcomes = [(reader.stdout.read(), reader.stderr.read()) for reader in readers]
        finally:
            for reader in readers:
                reader.kill()
                reader.communicate()
    assert [out.split()[:1] for out, _ in outcomes] == [["done"]] * 4, outcomes
