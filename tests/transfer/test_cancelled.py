"""Transfers that are cancelled: nothing looks whole, and each can be resumed."""

import anyio
import pytest

from storekit.qdb import AsyncRawClient
from storekit.transfer import (
    check_dump,
    check_dump_async,
    copy_async,
    dump_async,
    restore_async,
)
from tests.transfer._async.filling import contents, fill

MARKER = "storekit/transfer"

pytestmark = pytest.mark.anyio


@pytest.fixture
async def source():
    async with AsyncRawClient("embedded:") as client:
        await fill(client, small=2000)
        yield client


@pytest.fixture
async def target():
    async with AsyncRawClient("embedded:") as client:
        yield client


async def cancelled(transfer, *arguments, after, phase="copying", **options):
    """Cancel a transfer when it has told so often how far it is."""
    told = 0
    with anyio.CancelScope() as scope:

        def cancel(progress):
            nonlocal told
            told += progress.phase == phase
            if told >= after:
                scope.cancel()

        await transfer(*arguments, progress=cancel, **options)
    assert scope.cancelled_caught


@pytest.mark.parametrize(("phase", "after"), [("copying", 1), ("copying", 4), ("verifying", 2)])
async def test_a_copy_that_was_cancelled_is_marked(source, target, phase, after):
    await cancelled(copy_async, source, target, after=after, phase=phase)
    assert await target.exists(MARKER)
    await copy_async(source, target, resume=True)
    assert await contents(target) == await contents(source)


@pytest.mark.parametrize("after", [1, 3])
async def test_a_dump_that_was_cancelled_has_no_name(source, target, tmp_path, after):
    path = tmp_path / "x"
    await cancelled(dump_async, source, path, after=after)
    assert [each.name for each in tmp_path.iterdir()] == ["x.part"]
    info = await dump_async(source, path, resume=True)
    assert info == await check_dump_async(path)
    await restore_async(path, target)
    assert await contents(target) == await contents(source)


async def test_a_restore_that_was_cancelled_is_marked(source, target, tmp_path):
    await dump_async(source, tmp_path / "x")
    await cancelled(restore_async, tmp_path / "x", target, after=0, phase="checking")
    assert await contents(target) == {}
    await cancelled(restore_async, tmp_path / "x", target, after=3)
    assert await target.exists(MARKER)
    await restore_async(tmp_path / "x", target, resume=True)
    assert await contents(target) == await contents(source)
    assert check_dump(tmp_path / "x").entries > 2000
