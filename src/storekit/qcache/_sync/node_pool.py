# Generated from src/storekit/qcache/_async/node_pool.py by tools/generate_sync.py; do not edit.

"""The nodes of one client: which one to ask, what if it fails, when to try it again."""

import logging
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

import httpx

from storekit.core._sync.retry import Repeat, Retrier
from storekit.core.clocks import MovedClock
from storekit.core.seam._sync import (
    BackgroundTasks,
    Event,
    monotonic,
    pause_by,
    sleep,
)
from storekit.errors import ClientClosed, OutOfResources
from storekit.observers import ClientState, NodeState, Watch
from storekit.options import RetryPolicy, Timeouts
from storekit.qcache._sync.node_requests import NodeFailed, NodeRequests
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

__all__ = ["NodePool"]

_log = logging.getLogger("storekit")
_ring_log = logging.getLogger("storekit.ring")

_PROBE_WAIT = 5.0
"""Seconds that a probe may take where the client has no limit."""

_EARLY = 0.01
"""Seconds before a deadline that count as after it: event loops end a wait up to 1 ms early."""


_MOST_SILENT = 2
"""How often a request is sent to nodes that are well and yet do not answer it in time."""


class _TooHeavy(Exception):
    """The request was not answered in time as often as it may be, though a node is well."""


class _AllOut(Exception):
    """Every node is out, and none answered a probe just now."""


class NodePool(NodeRequests):
    """Sends calls to the node that the ring names, and on to the next one where that is safe.

    A node that fails is taken out of the ring at once. It is put back when it answers: to
    a probe, which runs beside the requests that other nodes serve, or, when all nodes are
    out, before the request that finds them so. Nodes in `embedded` have a transport each.

    With a clock that is `moved`, pauses move it, probes are due by it, and requests wait for those
    that are, so that a test sees what comes of them.
    """

    def __init__(
        self,
        nodes: Mapping[str, httpx.URL],
        ring: HashRing,
        transport: httpx.BaseTransport,
        *,
        timeouts: Timeouts,
        retry: RetryPolicy,
        probe: PreparedRequest,
        max_content_size: int,
        embedded: Mapping[str, httpx.BaseTransport] | None = None,
        clock: Callable[[], float] = monotonic,
        pause: Callable[[float], None] = sleep,
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
        self.pause: Callable[[float], None] = pause if moved is None else pause_by(moved)
        self._health_clock = clock if moved is None else moved
        self._waits_for_probes = moved is not None
        self._retrier = Retrier(
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
        """Tell the nodes and their state: nothing in it is secret."""
        with self._guard:
            states = [f"{name} (out)" if name in self._outages else name for name in self.nodes]
        return f"{'closed, ' if self._closed else ''}nodes: {', '.join(states)}"

    def state(self) -> ClientState:
        """Return how its connections and nodes stand, for observers."""
        with self._guard:
            nodes = tuple(NodeState(name, name in self._outages) for name in self.nodes)
        return ClientState("qcache", self.connections(), nodes)

    def close(self) -> None:
        """End the probes. The transport is its owner's to close."""
        self._closed = True
        self._background.close()

    # Calls

    def send(
        self,
        key: str,
        request: PreparedRequest,
        watch: Watch | None = None,
        until: float | None = None,
    ) -> Reply:
        """Send a request to the node that holds `key`, or to the next in line that lives.

        `until` is the time of the clock by which all must be done, by default that of an
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
            for attempt in attempts:
                with attempt:
                    return self._attempt(key, request, until, watch, silent)
        except _AllOut as out:
            with self._guard:
                outages = {name: outage.diagnosis for name, outage in self._outages.items()}
            raise_unavailable(request, outages, out.__cause__)
        except _TooHeavy:
            raise silent[-1] from grouped([*silent[:-1]])
        return raise_gave_up(
            request, attempts.errors, reason=attempts.reason, out_of_time=attempts.out_of_time
        )

    def send_to(self, name: str, request: PreparedRequest, until: float | None = None) -> Reply:
        """Send a request once, to this node and no other."""
        self._check_open(request)
        return self._ask(self.nodes[name], request, self.deadline() if until is None else until)

    def now(self) -> float:
        """Return the time of the clock."""
        return self._clock()

    def deadline(self) -> float | None:
        """Return when an operation that starts now must be over, None for no limit."""
        total = self._timeouts.total
        return None if total is None else self._clock() + total

    def _check_open(self, request: PreparedRequest) -> None:
        if self._closed:
            raise ClientClosed(f"{request.operation}: the client is closed; make a new one")

    def _attempt(
        self,
        key: str,
        request: PreparedRequest,
        until: float | None,
        watch: Watch | None,
        silent: list[NodeTimeout],
    ) -> Reply:
        """Make one attempt. `silent` has the errors of those that no node answered in time."""
        if len(silent) >= _MOST_SILENT and self._any_is_well(silent, until):
            raise _TooHeavy
        if self._outages:
            self._start_probes(due=True)
            if self._waits_for_probes:
                self._probed(lambda: not self._probing, until)
        name = self._ring.node_for(key)
        if name is None:
            in_time = self._probe_all(until)
            name = self._ring.node_for(key)
            if name is None:
                self._check_open(request)
                if not in_time:
                    raise NodeTimeout(
                        f"{request.operation}: no node came back in time", reached=False
                    )
                raise _AllOut
        if watch is not None:
            watch.node = name
        try:
            reply = self._ask(self.nodes[name], request, until)
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

    def _ask(self, node: NodeAddress, request: PreparedRequest, until: float | None) -> Reply:
        """Send a request to one node, and draw conclusions on its health."""
        try:
            reply = self._exchange(node, request, until)
        except NodeFailed as failed:
            diagnosis = failed.diagnosis
            self._count(node.name, diagnosis.counter)
            if until is None or self._clock() < until - _EARLY:  # else it had no fair chance
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
            "%s leaves the ring: %s; it is asked again in %.1f s; %d of %d nodes are out",
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
        """Ask nodes that are out, only those that are `due` or of these names, if they are back."""
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
            except RuntimeError:  # no thread to be had; the request at hand can do without
                _log.warning("%s could not be asked whether it is back", name, exc_info=True)
                self._end_probe(name)

    def _probe_all(self, until: float | None) -> bool:
        """Ask all nodes, and wait for the first that is back, or for the answers of all.

        Returns False if there is no time to wait.
        """
        self._start_probes(due=False)
        return self._probed(lambda: self._ring.has_live_node() or not self._probing, until)

    def _any_is_well(self, silent: Iterable[NodeTimeout], until: float | None) -> bool:
        """Whether one of the nodes that did not answer in time answers when asked for its status.

        Then it is the request that takes longer than it may.
        """
        names = {error.node for error in silent}
        self._start_probes(due=False, names=names)
        self._probed(
            lambda: (
                any(name not in self._outages for name in names)
                or self._probing.keys().isdisjoint(names)
            ),
            until,
        )
        return any(name not in self._outages for name in names)

    def _probed(self, condition: Callable[[], bool], until: float | None) -> bool:
        """Wait for the probes that bring a condition about. False if there is no time for it."""
        while True:
            news = Event()
            with self._guard:
                if condition():
                    return True
                self._watchers.add(news)
            try:
                in_time = news.wait(None if until is None else until - self._clock())
            finally:
                with self._guard:
                    self._watchers.discard(news)
            if not in_time:
                return False

    def _probe_node(self, name: str) -> None:
        """Ask one node for its status and act on the answer; failures are the expected case."""
        # A probe has limits of its own: it serves more callers than the one that started it.
        timeouts = self._timeouts
        until = self._clock() + (timeouts.connect or _PROBE_WAIT) + (timeouts.read or _PROBE_WAIT)
        diagnosis = None
        try:
            reply = self._exchange(self.nodes[name], self._probe, until)
        except NodeFailed as failed:
            diagnosis = failed.diagnosis
        except (ClientBusy, ClientClosed, OutOfResources, UnexpectedServerResponse):
            pass  # this says nothing new about the node: it stays out until the next probe
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
            # A request that finds all nodes out asks them before their time. That says nothing
            # about how long they have been away, so the pause does not grow.
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
