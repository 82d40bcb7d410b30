"""What a client records of its nodes: addresses, health, counters. No I/O."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from storekit.core.http1 import TruncatedReply
from storekit.qcache.errors import (
    ConnectionLost,
    GarbledResponse,
    NoCacheAvailable,
    NodeTimeout,
    NodeUnreachable,
    QClientException,
    TLSFailure,
    TruncatedResponse,
)
from storekit.qcache.wire import printable

__all__ = [
    "Diagnosis",
    "NodeAddress",
    "NodeReport",
    "NodeStatistics",
    "NodeStatus",
    "Outage",
    "diagnose",
    "probe_pause",
]

_FIRST_PROBE = 1.0
_LAST_PROBE = 30.0
"""Seconds: the first and the longest pause between probes of a node that is out."""


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """One node: `name` as the caller wrote it, which is what the ring hashes."""

    name: str
    url: httpx.URL  # ends with a slash
    host: bytes  # the value of the Host header


@dataclass(frozen=True, slots=True)
class NodeStatistics:
    """How often each kind of event occurred in requests of a client to one node."""

    connect_timeout: int = 0
    connection_error: int = 0
    read_timeout: int = 0
    unknown_error: int = 0
    resurrections: int = 0
    retry_error: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """Whether a node answered that it is healthy, or the error. True in a condition if it did."""

    node: str
    ok: bool
    error: QClientException | None = None

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True)
class NodeReport:
    """The counters of one node, or the error if they could not be fetched."""

    node: str
    statistics: Mapping[str, object] | None
    error: QClientException | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause of a failed request, as far as it lies with the node or the way to it."""

    kind: type[NoCacheAvailable]
    reason: str  # for messages: the node, the cause and what to do
    counter: str  # the field of NodeStatistics that it adds to
    reached: bool  # whether the node may have received the request


@dataclass(slots=True)
class Outage:
    """A node that is out, since when, and when to probe it next (seconds of the client's clock)."""

    diagnosis: Diagnosis
    next_probe: float
    since: float
    probes: int = 0


def probe_pause(probes: int, rng: float) -> float:
    """Return the seconds until the next probe: 1, 2, 4 ... 30, minus up to a quarter by `rng`."""
    return min(_LAST_PROBE, _FIRST_PROBE * 2.0 ** min(probes, 10)) * (1 - 0.25 * rng)


def diagnose(node: str, error: httpx.TransportError) -> Diagnosis:
    """Return the cause that an exception of a transport stands for."""
    what = printable(str(error)) or type(error).__name__
    tls = _has_tls_cause(error)
    if isinstance(error, httpx.ConnectTimeout):
        reason = f"{node} accepted no connection in time; is it overloaded or cut off?"
        return Diagnosis(NodeTimeout, reason, "connect_timeout", reached=False)
    if isinstance(error, httpx.ConnectError) and tls:
        reason = f"TLS with {node} failed: {what}; check verify= and cert="
        return Diagnosis(TLSFailure, reason, "connection_error", reached=False)
    if isinstance(error, httpx.ConnectError):
        reason = f"no connection to {node}: {what}"
        return Diagnosis(NodeUnreachable, reason, "connection_error", reached=False)
    if isinstance(error, httpx.WriteTimeout):
        reason = f"{node} stopped reading the request; raise write_timeout= if it may be that busy"
        return Diagnosis(NodeTimeout, reason, "read_timeout", reached=True)
    if isinstance(error, httpx.TimeoutException):
        reason = f"{node} did not answer in time; raise read_timeout= if it may take longer"
        return Diagnosis(NodeTimeout, reason, "read_timeout", reached=True)
    if tls:
        reason = f"{node} ended the TLS session: {what}; does it want a client certificate (cert=)?"
        return Diagnosis(TLSFailure, reason, "connection_error", reached=True)
    if isinstance(error, TruncatedReply):
        return Diagnosis(TruncatedResponse, f"{node}: {what}", "connection_error", reached=True)
    if isinstance(error, httpx.RemoteProtocolError):
        return Diagnosis(GarbledResponse, f"{node}: {what}", "connection_error", reached=True)
    reason = f"lost the connection to {node}: {what}"
    return Diagnosis(ConnectionLost, reason, "connection_error", reached=True)


def _has_tls_cause(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
