"""Background tasks, as the async side of the seam has them, on each event loop."""

import logging

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from storekit.core.seam._async import BackgroundTasks, checkpoint
from tests.core.loops import both_backends, run_without_sleep
from tests.support.concurrency._async import until


async def test_a_background_task_outlives_the_call_that_started_it():
    background, done = BackgroundTasks(), anyio.Event()

    async def call() -> None:
        background.start(work)

    async def work() -> None:
        await checkpoint()
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
    with anyio.fail_after(10):
        await done.wait()
    await background.aclose()


async def test_closing_cancels_background_tasks_and_waits_for_their_end():
    background, steps = BackgroundTasks(), []

    async def work() -> None:
        steps.append("begun")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()
            steps.append("ended")

    background.start(work)
    background.start(work)
    await until(lambda: len(steps) == 2)
    await background.aclose()
    assert steps == ["begun", "begun", "ended", "ended"]


async def test_a_background_task_that_is_closed_before_it_ran_waits_for_nothing():
    background, finished = BackgroundTasks(), []

    async def work() -> None:
        await anyio.sleep_forever()
        finished.append(True)

    background.start(work)
    with anyio.fail_after(1):
        await background.aclose()
    assert finished == []


@both_backends
def test_closing_does_not_wait_for_tasks_of_an_event_loop_that_ended(backend):
    background = BackgroundTasks()

    async def start() -> None:
        background.start(anyio.sleep_forever)

    anyio.run(start, backend=backend)
    assert run_without_sleep(backend, background.aclose) < 1


@both_backends
def test_closing_gives_up_on_a_background_task_after_two_seconds(backend):
    async def main() -> None:
        background, stop = BackgroundTasks(), anyio.Event()

        async def work() -> None:
            with anyio.CancelScope(shield=True):
                await stop.wait()

        background.start(work)
        await checkpoint()
        await background.aclose()
        stop.set()
        await checkpoint()

    assert run_without_sleep(backend, main) == pytest.approx(2, abs=0.5)


async def test_an_error_in_a_background_task_is_logged(caplog):
    background, error = BackgroundTasks(), OSError("gone")

    async def work() -> None:
        raise error

    with caplog.at_level(logging.ERROR, logger="storekit"):
        background.start(work)
        await until(lambda: bool(caplog.records))
    await background.aclose()
    (record,) = caplog.records
    assert record.name == "storekit"
    assert record.exc_info[1] is error


async def test_background_tasks_that_ended_are_forgotten():
    background, done = BackgroundTasks(), []

    async def work() -> None:
        done.append(True)

    for _ in range(3):
        background.start(work)
    await until(lambda: len(done) == 3)
    await anyio.wait_all_tasks_blocked()
    assert not background._running
    assert not background._tasks
