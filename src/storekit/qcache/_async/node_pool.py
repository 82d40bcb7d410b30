"""The nodes of one client: which one gets a request, failover, and probes of nodes that are out."""

import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial

import httpx

from storekit.core._async.retry import AsyncRetrier, Repeat
from storekit.core.clocks import MovedClock
from storekit.core.seam._async import (
    BackgroundTasks,
    Event,
    monotonic,
    pause_by,
    sleep,
)
from storekit.errors import ClientClosed, OutOfResources
from storekit.observers import ClientState, NodeState, Watch
from storekit.options import RetryPolicy, Timeouts
from storekit.qcache._async.node_requests import AsyncNodeRequests, NodeFailed
from storekit.qcache.addresses import host_header
from storekit.qcache.error_mapping import (
    error_of,
    grouped,
    is_busy,
    raise_gave_up,
    raise_unavailable,
)
from storekit.qcache.errors import (
    ClientBusy,
    NoCacheAvailable,
    NodeTimeout,
    ServerBusy,
    UnexpectedServerResponse,
)
from storekit.qcache.nodes import Diagnosis, NodeAddress, Outage, probe_pause
from storekit.qcache.ring import HashRing
from storekit.qcache.wire import PreparedRequest, Reply

__all__ = ["AsyncNodePool"]

_log = logging.getLogger("storekit")
_ring_log = logging.getLogger("storekit.ring")

_PROBE_WAIT = 5.0
"""Seconds: timeouts of probes if the client has none."""

_EARLY = 0.01
"""Seconds before a deadline that count as after it: event loops end a wait up to 1 ms early."""

_MOST_SILENT = 2
"""How often a request is sent if nodes do not answer it in time, although they are healthy."""


class _TooHeavy(Exception):
    """The request was not answered in time `_MOST_SILENT` times, although a node is healthy."""


class _AllOut(Exception):
    """All nodes are out, and none answered a probe that was just sent."""


class AsyncNodePool(AsyncNodeRequests):
    """Sends requests to the node that the ring selects, and to the next one where that is safe.

    A node that fails is taken out of the ring at once, and put back when it answers a probe.
    Probes run in the background while other nodes serve requests; when all nodes are out, each
    request waits until a probe is answered or all have failed. Nodes in `embedded` have a
    transport each.

    With `moved`, the clock of a test, pauses advance it, probes are due by it, and requests wait
    for probes that are due, so that their outcome does not depend on timing.
    """

    def __init__(
        self,
        nodes: Mapping[str, httpx.URL],
        ring: HashRing,
        transport: httpx.AsyncBaseTransport,
        *,
        timeouts: Timeouts,
        retry: RetryPolicy,
        probe: PreparedRequest,
        max_content_size: int,
        embedded: Mapping[str, httpx.AsyncBaseTransport] | None = None,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], Awaitable[None]] = sleep,
        rng: Callable[[], float] = random.random,
        moved: MovedClock | None = None,
    ) -> None:
        super().__init__(
            {name: NodeAddress(name, url, host_header(url)) for name, url in nodes.items()},
            transport,
            embedded or {},
            timeouts=timeouts,
            max_content_size=max_content_size,
            clock=clock,
        )
        self._ring = ring
        self._policy = retry
        self.pause: Callable[[float], Awaitable[None]] = pause if moved is None else pause_by(moved)
        self._health_clock = clock if moved is None else moved
        self._waits_for_probes = moved is not None
        self._retrier = AsyncRetrier(
            retry, clock=clock, pause=self.pause, rng=rng, budget_clock=self._health_clock
        )
        self._probe = probe
        self._rng = rng
        self._outages: dict[str, Outage] = {}
        self._probing: dict[str, bool] = {}  # whether the probe was due
        self._watchers: set[Event] = set()  # set when a probe ends
        self._background = BackgroundTasks()
        self._closed = False

    def __repr__(self) -> str:
        """Show the nodes and their state, without secrets."""
        with self._guard:
            states = [f"{name} (out)" if name in self._outages else name for name in self.nodes]
        return f"{'closed, ' if self._closed else ''}nodes: {', '.join(states)}"

    def state(self) -> ClientState:
        """Return the state of connections and nodes, for observers."""
        with self._guard:
            nodes = tuple(NodeState(name, name in self._outages) for name in self.nodes)
        return ClientState("qcache", self.connections(), nodes)

    async def aclose(self) -> None:
        """Stop the probes. The transport is closed by its owner."""
        self._closed = True
        await self._background.aclose()

    # Calls

    async def send(
        self,
        key: str,
        request: PreparedRequest,
        watch: Watch | None = None,
        until: float | None = None,
    ) -> Reply:
        """Send a request to the node that holds `key`, or to the next one that is not out.

        `until` is the deadline for all attempts (a time of the clock), by default that of an
        operation that starts now.
        """
        self._check_open(request)
        if until is None:
            until = self.deadline()
        silent: list[NodeTimeout] = []
        attempts = self._retrier.attempts(
            partial(self._judge, request),
            until=until,
            on_repeat=None if watch is None else watch.retry,
        )
        try:
            async for attempt in attempts:
                with attempt:
                    return await self._attempt(key, request, until, watch, silent)
        except _AllOut as out:
            with self._guard:
                outages = {name: outage.diagnosis for name, outage in self._outages.items()}
            raise_unavailable(request, outages, out.__cause__)
        except _TooHeavy:
            raise silent[-1] from grouped([*silent[:-1]])
        return raise_gave_up(
            request, attempts.errors, reason=attempts.reason, out_of_time=attempts.out_of_time
        )

    async def send_to(
        self, name: str, request: PreparedRequest, until: float | None = None
    ) -> Reply:
        """Send a request to one node, without retries."""
        self._check_open(request)
        return await self._ask(
            self.nodes[name], request, self.deadline() if until is None else until
        )

    def now(self) -> float:
        """Return the time of the clock."""
        return self._clock()

    def deadline(self) -> float | None:
        """Return the deadline of an operation that starts now, None for no limit."""
        total = self._timeouts.total
        return None if total is None else self._clock() + total

    def _check_open(self, request: PreparedRequest) -> None:
        if self._closed:
            raise ClientClosed(f"{request.operation}: the client is closed; make a new one")

    async def _attempt(
        self,
        key: str,
        request: PreparedRequest,
        until: float | None,
        watch: Watch | None,
        silent: list[NodeTimeout],
    ) -> Reply:
        """Make one attempt. `silent` has the errors of those that were not answered in time."""
        if len(silent) >= _MOST_SILENT and await self._any_is_healthy(silent, until):
            raise _TooHeavy
        if self._outages:
            self._start_probes(due=True)
            if self._waits_for_probes:
                await self._wait_until(lambda: not self._probing, until)
        name = self._ring.node_for(key)
        if name is None:
            in_time = await self._probe_all(until)
            name = self._ring.node_for(key)
            if name is None:
                self._check_open(request)
                if not in_time:
                    raise NodeTimeout(
                        f"{request.operation}: all nodes are out; none answered a probe in time",
                        reached=False,
                    )
                raise _AllOut
        if watch is not None:
            watch.node = name
        try:
            reply = await self._ask(self.nodes[name], request, until)
        except NodeTimeout as error:
            if error.reached:
                silent.append(error)
            raise
        if is_busy(reply):
            raise error_of(request, reply)
        return reply

    def _judge(self, request: PreparedRequest, error: Exception) -> Repeat | None:
        may_have_happened = request.writes and getattr(error, "reached", True)
        repeatable = self._policy.retry_writes and getattr(request.stream, "repeatable", True)
        if may_have_happened and not repeatable:
            return None
        if isinstance(error, ServerBusy):
            return Repeat(after=error.retry_after)
        if isinstance(error, NoCacheAvailable):
            return Repeat(elsewhere=self._ring.has_live_node())
        return None

    async def _ask(self, node: NodeAddress, request: PreparedRequest, until: float | None) -> Reply:
        """Send a request to one node, and update the health of the node by the outcome."""
        try:
            reply = await self._exchange(node, request, until)
        except NodeFailed as failed:
            diagnosis = failed.diagnosis
            self._count(node.name, diagnosis.counter)
            if until is None or self._clock() < until - _EARLY:  # else the deadline was too short
                self._take_out(node.name, diagnosis)
            aftermath = f"; {request.aftermath}" if request.aftermath and diagnosis.reached else ""
            raise diagnosis.kind(
                f"{request.operation}: {diagnosis.reason}{aftermath}",
                node=node.name,
                reached=diagnosis.reached,
            ) from failed.__cause__
        if node.name in self._outages and not is_busy(reply):
            self._put_back(node.name)
        return reply

    # The health of nodes

    def _take_out(self, name: str, diagnosis: Diagnosis) -> None:
        pause = probe_pause(0, self._rng())
        with self._guard:
            outage = self._outages.get(name)
            if outage is not None:  # a call that was under way when the node went out
                outage.diagnosis = diagnosis
                return
            now = self._health_clock()
            self._outages[name] = Outage(diagnosis, now + pause, since=now)
            self._ring.take_out(name)
            out = len(self._outages)
        _ring_log.warning(
            "%s leaves the ring: %s; next probe in %.1f s; %d of %d nodes are out",
            *(name, diagnosis.reason, pause, out, len(self.nodes)),
        )

    def _put_back(self, name: str) -> None:
        with self._guard:
            outage = self._outages.pop(name, None)
            if outage is None:
                return
            self._ring.put_back(name)
            self._counts[name]["resurrections"] += 1
            away = self._health_clock() - outage.since
            out = len(self._outages)
        _ring_log.info(
            "%s is back in the ring after %.1f s; %d of %d nodes are out",
            *(name, away, out, len(self.nodes)),
        )

    def _start_probes(self, *, due: bool, names: Collection[str | None] | None = None) -> None:
        """Probe nodes that are out: with `due` only those that are due, with `names` only these."""
        now = self._health_clock()
        with self._guard:
            chosen = [
                name
                for name, outage in self._outages.items()
                if name not in self._probing
                and (now >= outage.next_probe or not due)
                and (names is None or name in names)
            ]
            for name in chosen:
                self._probing[name] = now >= self._outages[name].next_probe
        for name in chosen:
            try:
                self._background.start(
                    partial(self._probe_node, name), partial(self._end_probe, name)
                )
            except RuntimeError:  # no thread can be started; the current request goes on
                _log.warning("%s could not be probed", name, exc_info=True)
                self._end_probe(name)

    async def _probe_all(self, until: float | None) -> bool:
        """Probe all nodes, and wait until one is back or all probes have ended.

        Returns False if the deadline passed before.
        """
        self._start_probes(due=False)
        return await self._wait_until(
            lambda: self._ring.has_live_node() or not self._probing, until
        )

    async def _any_is_healthy(self, silent: Iterable[NodeTimeout], until: float | None) -> bool:
        """Whether one of the nodes that did not answer in time answers a probe.

        Then the cause is the request, which takes too long, and not the nodes.
        """
        names = {error.node for error in silent}
        self._start_probes(due=False, names=names)
        await self._wait_until(
            lambda: (
                any(name not in self._outages for name in names)
                or self._probing.keys().isdisjoint(names)
            ),
            until,
        )
        return any(name not in self._outages for name in names)

    async def _wait_until(self, condition: Callable[[], bool], until: float | None) -> bool:
        """Wait until a condition holds, checked after each probe. False if the deadline passed."""
        while True:
            probe_ended = Event()
            with self._guard:
                if condition():
                    return True
                self._watchers.add(probe_ended)
            try:
                in_time = await probe_ended.wait(None if until is None else until - self._clock())
            finally:
                with self._guard:
                    self._watchers.discard(probe_ended)
            if not in_time:
                return False

    async def _probe_node(self, name: str) -> None:
        """Request the status of a node, and update its health. Failures are the expected case."""
        # The deadline is not that of the caller, since other callers wait for the probe, too.
        timeouts = self._timeouts
        until = self._clock() + (timeouts.connect or _PROBE_WAIT) + (timeouts.read or _PROBE_WAIT)
        diagnosis = None
        try:
            reply = await self._exchange(self.nodes[name], self._probe, until)
        except NodeFailed as failed:
            diagnosis = failed.diagnosis
        except (ClientBusy, ClientClosed, OutOfResources, UnexpectedServerResponse):
            pass  # the health of the node is unknown: it stays out until the next probe
        else:
            if reply.status < 500:
                self._put_back(name)
                return
            reason = str(error_of(self._probe, reply))
            diagnosis = Diagnosis(NoCacheAvailable, reason, "retry_error", reached=True)
        self._note_failure(name, diagnosis)

    def _end_probe(self, name: str) -> None:
        with self._guard:
            outage = self._outages.get(name)
            was_due = self._probing.pop(name, False)
            # When all nodes are out, each request probes them before that is due. Such probes do
            # not lengthen the pause, which would then depend on the number of requests.
            if outage is not None and was_due:
                outage.probes += 1
                outage.next_probe = self._health_clock() + probe_pause(outage.probes, self._rng())
            for watcher in self._watchers:
                watcher.set()

    def _note_failure(self, name: str, diagnosis: Diagnosis | None) -> None:
        with self._guard:
            self._counts[name]["retry_error"] += 1
            outage = self._outages.get(name)
            if outage is not None and diagnosis is not None:
                outage.diagnosis = diagnosis
