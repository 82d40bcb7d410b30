from __future__ import annotations

import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization

from storekit.core._async.transport import AsyncHTTPTransport
from storekit.core.http1 import TruncatedReply
from storekit.core.seam._async import call_blocking
from tests.support.certificates import Certificates
from tests.support.stub_server import Peer, StubServer, answering, echo, reply, swallowing_port

PATIENT = {"connect": 20.0, "read": 20.0, "write": 20.0, "pool": 20.0}
PASSWORD = "open-sesame"


def server_context(certificates: Certificates, *, mutual: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    if mutual:
        context.load_verify_locations(certificates.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def tls(certificates: Certificates) -> ssl.SSLContext:
    return server_context(certificates)


@pytest.fixture
def mutual_tls(certificates: Certificates) -> ssl.SSLContext:
    return server_context(certificates, mutual=True)


async def fetch(
    transport: AsyncHTTPTransport, url: str, method: str = "GET", content: bytes | None = None
) -> bytes:
    request = httpx.Request(method, url, content=content, extensions={"timeout": PATIENT})
    response = await transport.handle_async_request(request)
    return await response.aread()


def assert_empty(transport: AsyncHTTPTransport) -> None:
    for pool in transport.statistics().values():
        assert (pool.size, pool.leased, pool.connecting) == (0, 0, 0)


def subject_hash(path: Path) -> str:
    """The name under which OpenSSL looks for an authority in a directory."""
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# Whom the client trusts


async def test_an_unknown_authority_is_a_connect_error(tls, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.ConnectError) as caught:
                await fetch(transport, server.url)
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
            assert_empty(transport)
            await call_blocking(server.wait_ended)
    assert server.requests == []


@pytest.mark.parametrize("kind", [str, Path])
async def test_the_authorities_can_come_from_a_file(tls, certificates, kind):
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=kind(certificates.ca)) as transport:
            assert await fetch(transport, f"{server.url}one") == b"/one "
            assert await fetch(transport, f"{server.url}two", "POST", b"x") == b"/two x"
    assert server.connections == 1


async def test_another_authority_in_the_file_does_not_do(tls, certificates):
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.client_ca) as transport:
            with pytest.raises(httpx.ConnectError):
                await fetch(transport, server.url)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl has to name the files")
async def test_the_authorities_can_come_from_a_directory(tls, certificates, tmp_path):
    shutil.copy(certificates.ca, tmp_path / f"{subject_hash(certificates.ca)}.0")
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=tmp_path) as transport:
            assert await fetch(transport, server.url) == b"/ "


async def test_an_empty_directory_trusts_nobody(tls, tmp_path):
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=tmp_path) as transport:
            with pytest.raises(httpx.ConnectError):
                await fetch(transport, server.url)


async def test_a_context_is_used_as_it_is(tls, certificates):
    context = certificates.ssl_context()
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=context) as transport:
            assert await fetch(transport, server.url) == b"/ "


async def test_verify_false_trusts_everybody(tls):
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=False) as transport:
            assert await fetch(transport, server.url) == b"/ "


async def test_a_certificate_for_another_host_is_a_connect_error(tls, certificates, monkeypatch):
    async def look_up(host: str, port: int, until: float | None) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr("storekit.core._async.stream.look_up", look_up)
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            with pytest.raises(httpx.ConnectError) as caught:
                await fetch(transport, f"https://elsewhere.test:{server.port}/")
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
            assert await fetch(transport, f"https://localhost:{server.port}/") == b"/ "
    assert len(server.requests) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="how a full queue behaves is the system's own")
async def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    tls, certificates, monkeypatch
):
    async def look_up(host: str, port: int, until: float | None) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", where))
            for where in (swallowing, port)
        ]

    monkeypatch.setattr("storekit.core._async.stream.look_up", look_up)
    with swallowing_port() as swallowing, StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            request = httpx.Request(
                "GET",
                f"https://localhost:{server.port}/",
                extensions={"timeout": {**PATIENT, "connect": 1.5}},
            )
            response = await transport.handle_async_request(request)
            assert await response.aread() == b"/ "


# Client certificates


@pytest.fixture(params=["one file", "two files", "encrypted key"])
def client_certificate(request, certificates: Certificates, tmp_path: Path):
    if request.param == "one file":
        return certificates.client
    if request.param == "two files":
        return certificates.client_certificate, certificates.client_key
    key = serialization.load_pem_private_key(certificates.client_key.read_bytes(), None)
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )
    return certificates.client_certificate, encrypted, PASSWORD


async def test_a_client_certificate_is_shown(mutual_tls, certificates, client_certificate):
    with StubServer(echo, tls=mutual_tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca, cert=client_certificate) as transport:
            assert await fetch(transport, server.url) == b"/ "


async def test_a_context_can_bring_a_client_certificate(mutual_tls, certificates):
    context = certificates.ssl_context(client=True)
    with StubServer(echo, tls=mutual_tls) as server:
        async with AsyncHTTPTransport(verify=context) as transport:
            assert await fetch(transport, server.url) == b"/ "


async def test_without_a_client_certificate_tls_1_3_fails_on_the_first_read(
    mutual_tls, certificates
):
    mutual_tls.minimum_version = ssl.TLSVersion.TLSv1_3
    with StubServer(echo, tls=mutual_tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            with pytest.raises(httpx.ReadError) as caught:
                await fetch(transport, server.url)
            assert isinstance(caught.value.__cause__, ssl.SSLError)
            assert_empty(transport)
    assert server.requests == []
    assert server.connections == 1


async def test_without_a_client_certificate_tls_1_2_fails_to_connect(mutual_tls, certificates):
    mutual_tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with StubServer(echo, tls=mutual_tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            with pytest.raises(httpx.ConnectError) as caught:
                await fetch(transport, server.url)
            assert isinstance(caught.value.__cause__, ssl.SSLError)
            assert_empty(transport)
    assert server.requests == []


# The wrong protocol


async def test_plain_http_to_a_tls_port_is_a_protocol_error(tls):
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.RemoteProtocolError):
                await fetch(transport, f"http://{server.authority}/")
            assert_empty(transport)


async def test_tls_to_a_plain_port_is_a_connect_error():
    def script(peer: Peer) -> None:
        peer.read(5)
        peer.send(reply(status=b"400 Bad Request"))
        peer.finish()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.ConnectError) as caught:
                await fetch(transport, f"https://{server.authority}/")
            assert isinstance(caught.value.__cause__, ssl.SSLError)
            assert_empty(transport)


async def test_a_server_that_hangs_up_during_the_handshake_is_a_connect_error():
    def script(peer: Peer) -> None:
        peer.read(5)
        peer.close()

    with StubServer(script) as server:
        async with AsyncHTTPTransport() as transport:
            with pytest.raises(httpx.ConnectError):
                await fetch(transport, f"https://{server.authority}/")
            assert_empty(transport)


# Content


async def test_large_bodies_go_both_ways(tls, certificates):
    body = os.urandom(1 << 20) * 16
    with StubServer(echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            for _ in range(2):
                content = await fetch(transport, server.url, "PUT", body)
                assert hashlib.sha256(content[2:]).digest() == hashlib.sha256(body).digest()
    assert server.connections == 1


async def test_an_orderly_end_of_tls_ends_a_reply_without_a_length(tls, certificates):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        peer.finish()

    with StubServer(script, tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            assert await fetch(transport, server.url) == b"all of it"
            assert_empty(transport)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
    ids=["nothing", "head", "no-length", "length", "chunked"],
)
async def test_a_cut_is_not_the_end_of_a_reply(tls, certificates, answer):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)
        peer.close()

    with StubServer(script, tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            with pytest.raises(TruncatedReply):
                await fetch(transport, server.url)
            assert_empty(transport)


async def test_surplus_in_a_record_of_its_own_ends_the_connection(tls, certificates):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(reply(b"ok"))
        peer.hold()
        peer.send(reply(b"not yours"))
        peer.hold_open()

    with StubServer(script, answering(reply(b"yours")), tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            assert await fetch(transport, server.url) == b"ok"
            server.release()
            await call_blocking(server.wait_reached, 2)
            assert await fetch(transport, server.url, "POST", b"x") == b"yours"
            await call_blocking(server.wait_ended)


async def test_an_idle_connection_that_the_server_ended_is_not_used(tls, certificates):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(reply(b"ok"))
        peer.hold()
        peer.close()

    with StubServer(script, echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            await fetch(transport, server.url)
            server.release()
            await call_blocking(server.wait_ended)
            assert await fetch(transport, server.url, "POST", b"x") == b"/ x"
    assert server.connections == 2


async def test_a_safe_request_is_repeated_if_tls_is_cut_on_it(tls, certificates):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(reply(b"ok"))
        peer.read_request()
        peer.close()

    with StubServer(script, echo, tls=tls) as server:
        async with AsyncHTTPTransport(verify=certificates.ca) as transport:
            await fetch(transport, server.url)
            assert await fetch(transport, f"{server.url}again") == b"/again "
    assert server.connections == 2
