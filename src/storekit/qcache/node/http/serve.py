"""Serves a node on a port by uvicorn, from start to shutdown."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from storekit.core.seam._async import monotonic
from storekit.qcache.node.http.asgi import Application, application
from storekit.qcache.node.http.connections import BoundedConnection
from storekit.qcache.node.http.listening import BACKLOG
from storekit.qcache.node.node import Node
from storekit.qcache.node.options import ServeOptions
from storekit.qcache.node.service.systemd import notify, watchdog_pause

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

__all__ = ["serve"]

_KEEP_ALIVE = 3600
"""Seconds that a connection may be idle: longer than clients keep theirs, since a request on a
connection that is being closed fails."""

_MOST_FILES = 65536
"""Limit of open files to request: each connection is one, and defaults are often a few hundred."""

_TICK = 0.1
"""Seconds between two checks whether a wait is to end."""


def serve(
    node: Node,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    options: ServeOptions,
    ready: Callable[[], object],
) -> bool:
    """Serve a node until SIGINT or SIGTERM; `ready` is called once it listens.

    On such a signal, `/health` reports that the node is draining; it serves for `drain_delay`
    more seconds, then accepts no more requests, and lets those in progress run for up to
    `drain_timeout` seconds. The socket is then closed. Returns False if a second signal cut this
    short.

    The address of the socket is one of the allowed hosts. Raises `TypeError` and `ValueError`
    for an invalid host or origin.
    """
    hosts = [*options.allow_host, options.host, listener.getsockname()[0]]
    app = application(
        node,
        allow_hosts=hosts,
        allow_origins=options.allow_origin,
        access_log=True,
        console=options.console,
    )
    config = uvicorn.Config(
        _quiet(app),
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level=options.log_level,
        access_log=False,  # it would show the text of queries
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=options.drain_timeout,  # type: ignore[arg-type]  # a float
        backlog=BACKLOG,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    _allow_many_files()
    server = _Server(config, node, options.drain_delay, ready)
    server.run(sockets=[listener])
    return not server.force_exit


def _quiet(app: Application) -> "ASGI3Application":
    """Return an application whose lifespan may be cancelled, which uvicorn logs as an error."""

    async def call(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "lifespan":
                raise

    return call


class _Server(uvicorn.Server):
    """Reports its state, drains, and returns rather than raising the signal that stopped it."""

    def __init__(
        self, config: uvicorn.Config, node: Node, delay: float, ready: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._node = node
        self._delay = delay
        self._ready = ready
        self._watchdog: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        pause = watchdog_pause()
        if pause is not None:
            self._watchdog = asyncio.create_task(_feed_watchdog(pause))
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._node.enter("draining")
        notify("STOPPING=1", "STATUS=draining")
        end = monotonic() + self._delay
        # A signal handler sets the flag.
        while not self.force_exit and (left := end - monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, _TICK))
        await super().shutdown(sockets)
        if self._watchdog is not None:
            self._watchdog.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self.force_exit = self.should_exit  # the second time: stop at once
            self.should_exit = True

        former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


async def _feed_watchdog(pause: float) -> None:
    """Notify the watchdog of the service manager while the event loop runs."""
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(pause)


def _allow_many_files() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they report
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
