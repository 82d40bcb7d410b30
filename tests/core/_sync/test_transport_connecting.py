# Generated from tests/core/_async/test_transport_connecting.py by tools/generate_sync.py; do not edit.

"""How a transport connects."""

from __future__ import annotations

import socket
import sys

import httpx
import pytest

from storekit.core._sync.transport import HTTPTransport
from storekit.core.seam._sync import call_blocking, monotonic
from storekit.options import PoolLimits
from tests.core._sync.exchanges import PATIENT, counts, fetch
from tests.support.stub_server import (
    StubServer,
    echo,
    refusing_port,
    swallowing_port,
)


def test_a_refused_connection_is_a_connect_error():
    with HTTPTransport() as transport:
        with refusing_port() as port, pytest.raises(httpx.ConnectError) as caught:
            fetch(transport, f"http://127.0.0.1:{port}/")
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert counts(transport) == (0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="how a full queue behaves is the system's own")
def test_connecting_takes_as_long_as_it_may():
    with HTTPTransport() as transport:
        with swallowing_port() as port, pytest.raises(httpx.ConnectTimeout):
            fetch(transport, f"http://127.0.0.1:{port}/", timeout={"connect": 0.05})
        assert counts(transport) == (0, 0)


def test_a_handshake_takes_as_long_as_it_may():
    with StubServer(lambda peer: peer.hold_open()) as server:
        with HTTPTransport() as transport:
            url = f"https://{server.authority}/"
            with pytest.raises(httpx.ConnectTimeout):
                fetch(transport, url, timeout={"connect": 0.05})
            assert counts(transport) == (0, 0)
            call_blocking(server.wait_ended)


def test_the_deadline_ends_connecting():
    with StubServer(lambda peer: peer.hold_open()) as server:
        with HTTPTransport() as transport:
            url = f"https://{server.authority}/"
            with pytest.raises(httpx.ConnectTimeout):
                fetch(transport, url, deadline=monotonic() + 0.05)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "two..dots", "-.invalid"])
def test_an_impossible_host_name_is_a_connect_error(host):
    with HTTPTransport() as transport:
        request = httpx.Request("GET", "http://localhost/", extensions={"timeout": PATIENT})
        request.url = request.url.copy_with(host=host)
        with pytest.raises(httpx.ConnectError):
            transport.handle_request(request)
        assert counts(transport) == (0, 0)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[int, tuple[object, ...]]) -> None:
    """Let every host name stand for these addresses."""

    def look_up(host: str, port: int, until: float | None) -> list[tuple[object, ...]]:
        return [(family, socket.SOCK_STREAM, 0, "", address) for family, address in addresses]

    monkeypatch.setattr("storekit.core._sync.stream.look_up", look_up)


def test_the_next_address_of_a_host_is_tried_when_one_refuses(monkeypatch):
    with refusing_port() as refusing, StubServer(echo) as server:
        resolve_to(
            monkeypatch,
            (socket.AF_INET, ("127.0.0.1", refusing)),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        )
        with HTTPTransport() as transport:
            assert fetch(transport, "http://some.host/x") == (200, b"/x ")


def test_the_next_address_is_tried_when_the_system_lacks_the_family_of_one(monkeypatch):
    with StubServer(echo) as server:
        resolve_to(
            monkeypatch,
            (9999, ("::1", server.port)),
            (socket.AF_INET, ("127.0.0.1", server.port)),
        )
        with HTTPTransport() as transport:
            assert fetch(transport, "http://some.host/x") == (200, b"/x ")


def test_all_refusals_are_in_the_error(monkeypatch):
    with refusing_port() as one, refusing_port() as other:
        resolve_to(
            monkeypatch,
            (socket.AF_INET, ("127.0.0.1", one)),
            (socket.AF_INET, ("127.0.0.1", other)),
        )
        with HTTPTransport() as transport:
            with pytest.raises(httpx.ConnectError, match="none of the 2 addresses") as caught:
                fetch(transport, "http://some.host/")
    group = caught.value.__cause__.__cause__
    assert [type(error) for error in group.exceptions] == [ConnectionRefusedError] * 2


def test_localhost_is_looked_up():
    with StubServer(echo) as server:
        with HTTPTransport() as transport:
            assert fetch(transport, f"http://localhost:{server.port}/x") == (200, b"/x ")
            assert list(transport.statistics()) == [f"http://localhost:{server.port}"]


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
def test_ipv6():
    with StubServer(echo, host="::1") as server:
        with HTTPTransport() as transport:
            assert fetch(transport, f"{server.url}x") == (200, b"/x ")
            assert list(transport.statistics()) == [f"http://[::1]:{server.port}"]
    assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "ws://127.0.0.1/", "/path", "http:///path"])
def test_other_schemes_are_refused(url):
    with HTTPTransport() as transport:
        with pytest.raises(httpx.UnsupportedProtocol):
            fetch(transport, url)
        assert transport.statistics() == {}


def test_connections_can_be_made_ahead():
    with StubServer(*[lambda peer: peer.hold_open()] * 2) as server:
        with HTTPTransport(limits=PoolLimits(min_size=2)) as transport:
            transport.warm_up(server.url, connect_timeout=10)
            assert counts(transport) == (2, 0)


def test_connections_ahead_to_a_server_that_is_not_there():
    with refusing_port() as port:
        with HTTPTransport(limits=PoolLimits(min_size=1)) as transport:
            with pytest.raises(httpx.ConnectError):
                transport.warm_up(f"http://127.0.0.1:{port}/")
