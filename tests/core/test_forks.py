"""A pool belongs to one process and, while it is in use, to one event loop."""

import subprocess
import sys
import textwrap
import threading

import anyio
import anyio.to_thread
import pytest

from storekit.core._async.pool import AsyncPool
from storekit.errors import OwnerMismatch
from storekit.options import PoolLimits

# What the scripts below share. Each forks a fresh interpreter, where no thread of the
# tests is in the way, and connections are real, so that a child could do harm.
PROLOGUE = """
import os, socket, sys, threading
import anyio
from storekit.core._async.pool import AsyncPool
from storekit.core._sync.pool import Pool
from storekit.errors import ClientClosed, OwnerMismatch
from storekit.options import PoolLimits

far_ends = {}

def open_connection():
    near, far = socket.socketpair()
    far_ends[near] = far
    return near

async def connect(until):
    return open_connection()

async def close(connection):
    connection.shutdown(socket.SHUT_RDWR)  # as TLS does: the other process would notice
    connection.close()

def sync_close(connection):
    connection.shutdown(socket.SHUT_RDWR)
    connection.close()

limits = PoolLimits(max_size=2)
async_pool = AsyncPool(connect, close, limits=limits)
sync_pool = Pool(lambda until: open_connection(), sync_close, limits=limits)

async def use_async(reuse=True):
    lease = await async_pool.acquire()
    lease.connection.send(b"x")
    assert far_ends[lease.connection].recv(1) == b"x"
    await async_pool.release(lease, reuse=reuse)

def use_sync(reuse=True):
    lease = sync_pool.acquire()
    lease.connection.send(b"x")
    assert far_ends[lease.connection].recv(1) == b"x"
    sync_pool.release(lease, reuse=reuse)

def refused(call, *args):
    try:
        call(*args)
    except OwnerMismatch as error:
        assert "through a fork; make the client after the fork" in str(error)
        return
    raise AssertionError("not refused")

def in_child(call):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            call()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"
"""


def run_script(script: str) -> None:
    # Newer Pythons warn of any fork while there are threads, which is what is tested.
    options = ["-Werror", "-Wignore:This process:DeprecationWarning", "-Wignore::ResourceWarning"]
    program = PROLOGUE + textwrap.dedent(script) + "\nprint('done')"
    done = subprocess.run(
        [sys.executable, *options, "-c", program],
        check=False,
        capture_output=True,
        timeout=20,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


forking = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
both_backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@forking
def test_a_child_is_refused_the_connections_of_its_parent():
    run_script("""
        use_sync()
        in_child(lambda: refused(use_sync))
        assert sync_pool.statistics().idle == 1
        use_sync()
        assert len(far_ends) == 1
    """)


@forking
@both_backends
def test_a_child_is_refused_the_connections_of_its_parent_on_an_event_loop(backend):
    run_script(f"""
        anyio.run(use_async, backend={backend!r})
        in_child(lambda: refused(lambda: anyio.run(use_async, backend={backend!r})))
        assert async_pool.statistics().idle == 1
        anyio.run(use_async, backend={backend!r})
        assert len(far_ends) == 1
    """)


@forking
def test_fill_is_refused_to_a_child_too():
    run_script("""
        use_sync()
        anyio.run(use_async)
        in_child(lambda: refused(sync_pool.fill))
        in_child(lambda: refused(lambda: anyio.run(async_pool.fill)))
    """)


@forking
@both_backends
def test_a_pool_that_has_no_connections_can_be_used_on_both_sides_of_a_fork(backend):
    run_script(f"""
        in_child(use_sync)
        in_child(lambda: anyio.run(use_async, backend={backend!r}))
        use_sync(reuse=False)
        anyio.run(use_async, False, backend={backend!r})
        in_child(lambda: [use_sync(), use_sync()])
        in_child(lambda: anyio.run(use_async, backend={backend!r}))
        use_sync()
        anyio.run(use_async, backend={backend!r})
    """)


@forking
def test_a_grandchild_is_refused_the_connections_of_a_child():
    run_script("""
        def child():
            use_sync()
            in_child(lambda: refused(use_sync))
            use_sync()

        in_child(child)
    """)


@forking
def test_a_child_that_closes_the_pool_leaves_the_connections_to_its_parent():
    run_script("""
        use_sync()
        anyio.run(use_async)
        in_child(lambda: [sync_pool.close(), anyio.run(async_pool.aclose)])
        use_sync()
        anyio.run(use_async)
        assert len(far_ends) == 2
    """)


@forking
@pytest.mark.parametrize("reuse", [True, False])
def test_a_child_that_gives_back_a_lease_of_its_parent_leaves_the_connection_alone(reuse):
    run_script(f"""
        lease = sync_pool.acquire()
        in_child(lambda: sync_pool.release(lease, reuse={reuse}))
        lease.connection.send(b"x")
        assert far_ends[lease.connection].recv(2) == b"x"
        sync_pool.release(lease, reuse=True)
        use_sync()
        assert len(far_ends) == 1
    """)


@forking
def test_a_child_does_not_wait_for_a_thread_of_its_parent_that_was_busy_in_the_pool():
    run_script("""
        entered, leave = threading.Event(), threading.Event()

        def look_slowly(connection):
            entered.set()
            return leave.wait(20)

        busy = Pool(lambda until: open_connection(), sync_close, limits=limits,
                    is_usable=look_slowly)
        lease = busy.acquire()
        other = busy.acquire()
        busy.release(lease, reuse=True)
        thread = threading.Thread(target=busy.acquire)
        thread.start()
        entered.wait(20)

        def child():
            refused(busy.acquire)
            busy.release(other, reuse=True)
            assert busy.statistics().size == 2
            busy.close()

        in_child(child)
        leave.set()
        thread.join()
    """)


class Connections:
    def __init__(self) -> None:
        self.made = 0
        self.gate: anyio.Event | None = None

    async def connect(self, deadline: float | None) -> int:
        if self.gate is not None:
            gate, self.gate = self.gate, None
            await gate.wait()
        self.made += 1
        return self.made

    async def close(self, connection: int) -> None:
        pass


def make_pool(connections: Connections) -> AsyncPool[int]:
    return AsyncPool(connections.connect, connections.close, limits=PoolLimits(max_size=2))


async def use(pool: AsyncPool[int]) -> None:
    await pool.release(await pool.acquire(), reuse=True)


async def from_another_event_loop(pool: AsyncPool[int]) -> None:
    await anyio.to_thread.run_sync(lambda: anyio.run(use, pool))


async def test_another_event_loop_is_refused_while_a_connection_is_leased():
    pool = make_pool(Connections())
    lease = await pool.acquire()
    with pytest.raises(OwnerMismatch, match="in use by another event loop"):
        await from_another_event_loop(pool)
    await pool.release(lease, reuse=True)
    await use(pool)


async def test_another_event_loop_is_refused_while_a_connection_is_being_made():
    connections = Connections()
    connections.gate = gate = anyio.Event()
    pool = make_pool(connections)
    async with anyio.create_task_group() as group:
        group.start_soon(use, pool)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(OwnerMismatch, match="in use by another event loop"):
            await from_another_event_loop(pool)
        gate.set()
    assert pool.statistics().idle == 1


async def test_another_event_loop_may_take_over_a_pool_that_is_not_in_use():
    connections = Connections()
    pool = make_pool(connections)
    await use(pool)
    await from_another_event_loop(pool)
    await use(pool)
    assert connections.made == 1


@both_backends
def test_an_event_loop_reuses_the_idle_connections_of_one_before_it(backend):
    connections = Connections()
    pool = make_pool(connections)
    for _ in range(3):
        anyio.run(use, pool, backend=backend)
    thread = threading.Thread(target=lambda: anyio.run(use, pool, backend=backend))
    thread.start()
    thread.join()
    assert connections.made == 1
