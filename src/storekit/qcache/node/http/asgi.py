"""A node as an ASGI 3 application, for any ASGI server."""

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import replace
from functools import partial
from typing import Any

from storekit.core.seam._async import call_beside, call_within, monotonic
from storekit.core.threads._async import Executor
from storekit.errors import PoolFull
from storekit.options import PoolLimits
from storekit.qcache.node.budget import Budget, NotQuick
from storekit.qcache.node.console import Console, Queue
from storekit.qcache.node.http.access import Access
from storekit.qcache.node.http.bodies import Body, ClientGone, Lines, RequestBody
from storekit.qcache.node.http.exchange import Exchange
from storekit.qcache.node.http.messages import (
    Message,
    may_have_body,
    refused_in_full,
    request_of,
    start_of,
    with_length,
)
from storekit.qcache.node.http.requests import Request, Response
from storekit.qcache.node.node import Node
from storekit.qcache.node.reading.csv_blocks import CsvBlocks

__all__ = ["Application", "application"]

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PIECE = 256 * 1024
"""Bytes of a response to send at a time: asyncio copies the rest of a large write repeatedly."""

_LEAST_ROOM = 64 * 2**20
"""Bytes that requests in progress may take at least, even if the cache is smaller."""

_MOST_DISCARDED = 64 * 2**20
"""Bytes of refused content to read, so that a reset does not discard the response."""

_READ_EARLY = 16 * 2**20
"""Bytes: larger tables are parsed while they arrive, so that parsing and receiving overlap."""

_SMALL_THREADS = 2
"""Threads for small requests, so that they need not wait for large ones."""

_QUICK = 0.1
"""Seconds after which a request that was expected to be small is moved to the large ones."""

_LEAST_RATE = 100_000
"""Minimum rate of a body in bytes a second, in either direction, once it takes long."""

_log = logging.getLogger("storekit")


class _BadBodyError(Exception):
    """The body can't be read; has the response to send, and whether more of it may arrive."""

    def __init__(self, status: int, text: str, *, more: bool = True) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.more = more


def application(
    node: Node,
    *,
    threads: int = 4,
    max_waiting: int = 10_000,
    body_timeout: float = 30.0,
    send_timeout: float = 60.0,
    allow_hosts: Iterable[str] = (),
    allow_origins: Iterable[str] = (),
    access_log: bool = False,
    console: bool = True,
) -> "Application":
    """Return an ASGI application that serves a node.

    Args:
        node: The node. Several applications may serve one.
        threads: Number of requests that are processed at the same time. Polars has its own
            threads, so more of these do not help.
        max_waiting: Number of requests that may wait for a thread; further ones get 503.
        body_timeout: Seconds without new content after which an incomplete request gets 408.
            In total it may take ten times that, and one more second for each 100 kB.
        send_timeout: Seconds without progress after which sending a response is aborted. In
            total it may take ten times that, and one more second for each 100 kB.
        allow_hosts: Names and addresses, without a port, that requests may be sent to, besides
            loopback and the address that it is served on: others are refused, since a web site
            can make its name resolve to this machine. `0.0.0.0` stands for all addresses, `*` for
            all hosts.
        allow_origins: Origins of web pages, e.g. `https://app.example`, that may read, store
            and remove tables; `*` for all. Pages of other hosts may not.
        access_log: Whether each request is logged when it ends, at level INFO by the logger
            `storekit.access`.
        console: Whether a browser that opens `/` gets a page with the node, its tables, and
            queries on them. Other clients get 404.

    Raises:
        TypeError, ValueError: A host or origin is invalid.

    """
    access = Access(allow_hosts, allow_origins)
    limits = PoolLimits(max_size=threads, max_waiting=max_waiting)
    return Application(
        node,
        access,
        limits,
        body_timeout,
        send_timeout,
        access_log=access_log,
        console=console,
    )


class Application:
    """Reads requests, has threads serve them, and sends the answers.

    It belongs to one event loop at a time. Requests that need no table are answered at once, so
    `/health` responds while long queries run.
    """

    def __init__(
        self,
        node: Node,
        access: Access,
        limits: PoolLimits,
        body_timeout: float,
        send_timeout: float,
        *,
        access_log: bool = False,
        console: bool = True,
    ) -> None:
        self._node = node
        self._access = access
        self._limits = limits
        self._body_timeout = body_timeout
        self._send_timeout = send_timeout
        self._large = _Lane(limits)
        self._small = _Lane(replace(limits, max_size=_SMALL_THREADS))
        self._most = max(node.size, _LEAST_ROOM)  # bytes in progress, in each direction
        self._console = Console(node, self._queue) if console else None
        self._room = self._most  # bytes that are still free for requests
        self._sending = 0  # bytes of large responses being sent
        self._access_log = access_log
        self._in_progress = 0
        node.metrics.watch(self)

    def gauges(self) -> dict[str, float]:
        """Return the current gauges, by their names in `/metrics`."""
        return {
            "qcache_requests_in_progress": self._in_progress,
            "qcache_requests_waiting small": self._small.calls()[1],
            "qcache_requests_waiting large": self._large.calls()[1],
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request, or one lifespan event of the server."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:  # no WebSockets here
            await receive()
            await send({"type": "websocket.close"})

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        request = request_of(scope)
        server, client = self._server_of(request), scope.get("client")
        exchange = Exchange(server, self._node.metrics, request, client, self._access_log)
        self._in_progress += 1
        try:
            response = await self._answer(request, server, scope, receive, exchange)
            await self._send(send, self._access.shared(request, response), exchange)
        except ClientGone:
            _log.debug("a client left before its request was complete")
        finally:
            self._in_progress -= 1
            exchange.end()

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self._small.aclose()
        await self._large.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(
        self,
        request: Request,
        server: Node | Console,
        scope: MutableMapping[str, Any],
        receive: Receive,
        exchange: Exchange,
    ) -> Response:
        refusal = self._refuse(request, server, scope.get("server"))
        if refusal is not None:
            if "expect" in request.headers:  # its content may not come: the next is a new request
                close = ("connection", "close")
                return replace(refusal, headers=(*refusal.headers, close))
            return refusal
        request = replace(request, budget=server.budget_for(request))
        if not may_have_body(request):
            return await self._work(request, server, receive)
        content = RequestBody(scope, receive, self._body_timeout)
        try:
            return await self._work(await self._read(request, server, content), server, receive)
        except _BadBodyError as error:
            awaits_go_ahead = "expect" in request.headers
            if error.more and not awaits_go_ahead:
                await content.discard(_MOST_DISCARDED)
            return refused_in_full(error.status, error.text, ("connection", "close"))
        finally:
            exchange.received = content.wanted
            self._room += content.wanted

    def _refuse(
        self, request: Request, server: Node | Console, at: tuple[str, int | None] | None
    ) -> Response | None:
        """Return the response if it does not depend on the content. Access is checked first."""
        listens_on = None if at is None else at[0]
        response = self._access.refuse(request, listens_on) or self._access.preflight(request)
        if response is not None:
            return with_length(response)
        return server.refuse_head(request)

    def _server_of(self, request: Request) -> Node | Console:
        console = self._console
        return self._node if console is None or not console.serves(request) else console

    def _queue(self) -> Queue:
        working, waiting = zip(self._small.calls(), self._large.calls(), strict=True)
        return Queue(sum(working), sum(waiting))

    async def _work(self, request: Request, server: Node | Console, receive: Receive) -> Response:
        budget = request.budget
        if budget is None or server.is_quick(request):
            return server.handle(request)
        try:
            if server.is_small(request):
                budget.be_quick(_QUICK)
                try:
                    return await self._small.get().call_bare(server.handle, request)
                except NotQuick:
                    budget.be_quick(None)
                    budget.start_anew()
            work = partial(self._large.get().call_bare, server.handle, request)
            return await call_beside(work, partial(_cancel_when_gone, budget, receive))
        except PoolFull:
            if request.table is not None:
                request.table.close()
            return refused_in_full(503, "Too many requests wait for this node")
        except BaseException:
            budget.cancel()
            raise

    # Bodies

    async def _read(
        self, request: Request, server: Node | Console, content: RequestBody
    ) -> Request:
        """Return the request with its content, or with the table parsed from it."""
        transfer_coding = request.headers.get("transfer-encoding", "chunked")
        if transfer_coding.strip().lower() != "chunked":
            raise _BadBodyError(501, f"Transfer-Encoding must be chunked, not {transfer_coding!r}")
        most = server.most_content(request)
        length = request.headers.get("content-length", "")
        announced = int(length) if length.isdecimal() else 0
        if announced > most:
            raise _BadBodyError(413, f"The content has {announced} bytes; the limit is {most}")
        table = server.table_to_come(request) if announced >= _READ_EARLY else None
        if table is None:
            body = Body()
            await self._gather(content, body, most)
            return replace(request, body=body.take())
        try:
            lines = Lines(partial(self._read_early, table))
            await self._gather(content, lines, most)
            lines.finish()
        except BaseException:
            table.close()
            raise
        return replace(request, table=table)

    def _read_early(self, table: CsvBlocks, block: bytes) -> None:
        if table.add(block):
            self._large.get().run_later(table.read)

    async def _gather(self, content: RequestBody, target: Body | Lines, most: int) -> None:
        started = monotonic()
        while content.more:
            try:
                count = await content.next(target)
            except TimeoutError:
                text = f"Nothing came for {self._body_timeout} s"
                raise _BadBodyError(408, text, more=False) from None
            self._room -= count
            if content.wanted > most:
                text = f"The content has more than {most} bytes"
                raise _BadBodyError(413, text, more=content.more)
            if self._room < 0:
                text = "Too much content is on its way to this node"
                raise _BadBodyError(503, text, more=content.more)
            late = monotonic() - started - 10 * self._body_timeout
            if content.more and late > content.wanted / _LEAST_RATE:
                text = f"Only {content.wanted} bytes came in the time there is"
                raise _BadBodyError(408, text, more=False)

    # Answers

    async def _send(self, send: Send, response: Response, exchange: Exchange) -> None:
        size = len(response.body)
        if size <= _PIECE:
            await send(start_of(response))
            await send({"type": "http.response.body", "body": response.body})
            exchange.answer(response)
            return None
        if self._sending and self._sending + size > self._most:
            refusal = refused_in_full(503, "Too much content is on its way from this node")
            return await self._send(send, refusal, exchange)
        self._sending += size
        try:
            await self._send_pieces(send, response)
            exchange.answer(response)
        except TimeoutError:  # the server closes the connection, since the response is incomplete
            _log.warning("a client did not take its answer of %s bytes in time", size)
        finally:
            self._sending -= size

    async def _send_pieces(self, send: Send, response: Response) -> None:
        body, started = response.body, monotonic()
        await call_within(self._send_timeout, partial(send, start_of(response)))
        for start in range(0, len(body), _PIECE):
            if monotonic() - started > 10 * self._send_timeout + start / _LEAST_RATE:
                raise TimeoutError
            piece = {
                "type": "http.response.body",
                "body": body[start : start + _PIECE],
                "more_body": start + _PIECE < len(body),
            }
            await call_within(self._send_timeout, partial(send, piece))


class _Lane:
    """Threads for one kind of requests, which start with the first of them."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._threads: Executor[None] | None = None

    def get(self) -> Executor[None]:
        """Return the threads."""
        if self._threads is None:
            self._threads = Executor(_nothing, _ignore, limits=self._limits, name="qcache-node")
        return self._threads

    def calls(self) -> tuple[int, int]:
        """Return how many requests are being processed, and how many wait."""
        if self._threads is None:
            return 0, 0
        told = self._threads.statistics()
        return told.calls - told.queued, told.queued

    async def aclose(self) -> None:
        """End the threads."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await threads.aclose()


async def _cancel_when_gone(budget: Budget, receive: Receive) -> None:
    """Cancel the work on a request when its client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    budget.cancel()


def _nothing() -> None:
    """Return the session of a thread, which needs none."""


def _ignore(_: None) -> None:
    """Close the session of a thread."""
