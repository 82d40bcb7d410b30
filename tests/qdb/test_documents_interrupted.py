"""Uploads without a key that are interrupted or cancelled at any step."""

import io
import itertools
import sys
import threading
import time
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from storekit import qdb
from storekit.qdb import AsyncRawClient, RawClient
from storekit.qdb.engine import SessionOptions
from storekit.qdb.location import open_engine
from tests.support.qdb_spy import SpyEngine

CONTENT, SIZE = b"x" * 5000, 2000
ROOM = str(Path(qdb.__file__).parent / "documents")


class Interrupted(BaseException):
    """Stands for what a signal handler raises."""


def interrupted_at(number, function):
    """Call a function, and raise in it at one of the lines that it comes to in this room."""
    lines = itertools.count(1)

    def in_frame(frame, event, arg):
        if event == "line" and next(lines) == number:
            raise Interrupted(f"{frame.f_code.co_name}, line {frame.f_lineno}")
        return in_frame

    def in_room(frame, event, arg):
        return in_frame if frame.f_code.co_filename.startswith(ROOM) else None

    before = sys.gettrace()
    sys.settrace(in_room)
    try:
        return function()
    finally:
        sys.settrace(before)


def test_an_interruption_at_any_line_leaves_nothing_or_names_the_key():
    for number in itertools.count(1, 3):
        said = None
        with RawClient("embedded:") as client:
            upload = partial(client.upload, io.BytesIO(CONTENT), slice_size=SIZE)
            try:
                interrupted_at(number, upload)
            except Interrupted as error:
                said = f"{error} {getattr(error, '__notes__', [])}".replace("-", "")
            if said is None:
                break
            left = [alias.rpartition("/")[2].replace("-", "")[:32] for alias, _ in client]
            assert all(key in said for key in left), said
    assert number > 300


@pytest.mark.anyio
async def test_cancelling_during_any_call_of_the_store_leaves_nothing(tmp_path):
    place = f"embedded:{tmp_path / 'store'}"
    for number in itertools.count(1):
        spy = SpyEngine(open_engine(place, SessionOptions())[0])
        scope = anyio.CancelScope()
        reached, counted = anyio.Event(), threading.Lock()
        calls = 0
        token = anyio.lowlevel.current_token()

        def during(call, number=number, reached=reached, token=token, counted=counted):
            nonlocal calls
            with counted:
                calls += 1
                mine = calls
            if mine == number:
                anyio.from_thread.run_sync(reached.set, token=token)
                time.sleep(0.02)  # is under way while the task is cancelled

        async def cancel(scope=scope, reached=reached):
            await reached.wait()
            scope.cancel()

        spy.before = during
        async with AsyncRawClient(place, engine=spy) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(cancel)
            with scope:
                await client.upload(io.BytesIO(CONTENT), slice_size=SIZE, in_flight=2)
            tasks.cancel_scope.cancel()
        async with AsyncRawClient(place) as client:
            left = [alias async for alias, _ in client]
        if not scope.cancelled_caught:
            break
        assert left == [], number
    assert number > 10
