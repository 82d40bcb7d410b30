# Generated from tests/core/_async/test_transport_replies.py by tools/generate_sync.py; do not edit.

"""Replies that are early, late, endless, cut short, or no HTTP at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from storekit.core._sync.transport import HTTPTransport
from storekit.core.http1 import TruncatedReply
from storekit.core.seam._sync import call_blocking, monotonic
from tests.core._sync.exchanges import CHUNKED, OK, PATIENT, counts, fetch
from tests.support.stub_server import (
    Peer,
    StubServer,
    answering,
    echo,
    reply,
)

# Replies to uploads that are not complete

REFUSAL = reply(b"too large", b"Connection: close", status=b"413 Content Too Large")


def test_a_refusal_in_the_middle_of_an_upload_is_reported():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(REFUSAL)
        peer.finish()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            body = b"x" * (8 << 20)
            status, content = fetch(transport, server.url, "POST", content=body)
            assert (status, content) == (413, b"too large")
            assert counts(transport) == (0, 0)


def test_a_refusal_is_reported_rather_than_the_broken_pipe_after_it():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(REFUSAL)
        peer.close()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            body = b"x" * (32 << 20)
            status, content = fetch(transport, server.url, "POST", content=body)
            assert (status, content) == (413, b"too large")
            assert counts(transport) == (0, 0)


def test_a_connection_with_half_a_request_on_it_is_not_used_again():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(reply(b"busy", status=b"503 Busy"))
        peer.hold()

    with StubServer(script, echo) as server:
        with HTTPTransport() as transport:
            body = b"x" * (32 << 20)
            timeout = {"write": 0.1}
            status, content = fetch(transport, server.url, "POST", content=body, timeout=timeout)
            assert (status, content) == (503, b"busy")
            assert counts(transport) == (0, 0)
            assert fetch(transport, f"{server.url}next") == (200, b"/next ")


WHOLE = 8 << 20


def in_pieces() -> Iterator[bytes]:
    for _ in range(WHOLE >> 16):
        yield b"x" * (1 << 16)


@pytest.mark.parametrize("then", ["finish", "close", "reset", "hold_open", "read_to_end"])
@pytest.mark.parametrize("form", ["bytes", "announced pieces", "chunks"])
def test_an_early_answer_ends_the_upload(form, then):
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(reply(b"no", status=b"401 Unauthorized"))
        getattr(peer, then)()

    headers = {"Content-Length": str(WHOLE)} if form == "announced pieces" else None
    started = monotonic()
    with StubServer(script) as server:
        with HTTPTransport() as transport, closing(in_pieces()) as pieces:
            content = b"x" * WHOLE if form == "bytes" else pieces
            status, said = fetch(transport, server.url, "POST", content=content, headers=headers)
            assert (status, said) == (401, b"no")
            assert counts(transport) == (0, 0)
    assert monotonic() - started < PATIENT["write"] / 2


@pytest.mark.parametrize("size", [1, 100_000, WHOLE])  # the first two are sent as a whole
@pytest.mark.parametrize("then", ["close", "reset"])
def test_an_early_refusal_may_end_with_its_connection(then, size):
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\ntoo large")
        getattr(peer, then)()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            answer = fetch(transport, server.url, "POST", content=b"x" * size)
            assert answer == (413, b"too large")


def test_a_refusal_after_an_interim_answer_is_reported():
    def script(peer: Peer) -> None:
        peer.read_head()
        # At once: of two small packets, a system that resets may never send the second.
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" + REFUSAL)
        peer.close()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            for size in (1, 100_000, WHOLE):
                answer = fetch(transport, server.url, "POST", content=b"x" * size)
                assert answer == (413, b"too large")


def test_an_answer_to_a_query_that_is_reset_is_no_answer():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 500 Failed\r\nConnection: close\r\n\r\npart")
        peer.reset()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.ReadError):
                fetch(transport, server.url)


def test_an_upload_goes_on_after_an_interim_answer():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert len(peer.read(WHOLE)) == WHOLE
        peer.send(OK)
        peer.read_to_end()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            answer = fetch(transport, server.url, "POST", content=b"x" * WHOLE)
            assert answer == (200, b"ok")
            assert counts(transport) == (1, 0)


def test_an_answer_between_two_pieces_of_a_body_is_seen_before_the_next():
    answered = threading.Event()
    asked: list[int] = []

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.read(1 + len("1\r\n\r\n"))
        peer.send(REFUSAL)
        answered.set()
        peer.read_to_end()

    def pieces() -> Iterator[bytes]:
        yield b"x"
        call_blocking(answered.wait, 20)
        while True:
            asked.append(1)
            yield b"x"

    with StubServer(script) as server:
        with HTTPTransport() as transport, closing(pieces()) as body:
            status, _ = fetch(transport, server.url, "POST", content=body)
            assert status == 413
    assert len(asked) < 1000


def test_a_server_that_closes_while_it_is_sent_to_is_a_write_error():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.finish()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.WriteError, match="closed the connection"):
                fetch(transport, server.url, "POST", content=b"x" * (32 << 20))
            assert counts(transport) == (0, 0)


def test_an_early_answer_that_is_no_http_is_an_error():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"SSH-2.0-OpenSSH\r\n\r\n")
        peer.hold_open()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.RemoteProtocolError) as caught:
                fetch(transport, server.url, "POST", content=b"x" * WHOLE)
            assert caught.value.request.method == "POST"
            assert counts(transport) == (0, 0)


def test_a_broken_pipe_without_an_answer_is_a_write_error():
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.reset()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.WriteError):
                fetch(transport, server.url, "POST", content=b"x" * (32 << 20))
            assert counts(transport) == (0, 0)
    assert server.connections == 1


# What is no HTTP

GARBAGE = {
    "noise": b"\x00\xff\x17 this is not HTTP\r\n\r\n",
    "html": b"<html></html>",
    "tls-alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "bad-version": b"HTTP/9.9 200 OK\r\n\r\n",
    "bad-status": b"HTTP/1.1 two OK\r\n\r\n",
    "switching-protocols": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "bare-switching-protocols": b"HTTP/1.1 101 Switching\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
    "bad-length": b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
    "length-and-chunked": CHUNKED + b"Content-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip-encoding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
    "gzip-and-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "gzip-then-chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "bad-chunk-size": CHUNKED + b"\r\nxyz\r\n",
    "chunk-too-long": CHUNKED + b"\r\n2\r\nabcdef\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_http_reply_is_an_error_and_ends_the_connection(answer):
    with StubServer(answering(answer)) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.RemoteProtocolError) as caught:
                fetch(transport, server.url)
            assert not isinstance(caught.value, TruncatedReply)
            assert caught.value.request.url == server.url
            assert counts(transport) == (0, 0)
            call_blocking(server.wait_ended)
    assert server.connections == 1


ENDLESS = {
    "status line": (b"HTTP/1.1 200 ", b"O" * 100),
    "header value": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 100),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n"),
    "interim replies": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "chunk extension": (CHUNKED + b"\r\n1;", b"x" * 100),
    "trailers": (CHUNKED + b"\r\n1\r\nx\r\n0\r\n", b"X-Trailer: value\r\n"),
    "empty lines": (b"", b"\r\n" * 50),
}


@pytest.mark.parametrize(("beginning", "endless"), ENDLESS.values(), ids=ENDLESS)
def test_what_goes_on_for_ever_is_cut_off(beginning, endless):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(beginning)
        while True:
            peer.send(endless * 10)

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            with pytest.raises(httpx.RemoteProtocolError, match="more than 131072 bytes"):
                fetch(transport, server.url, deadline=monotonic() + 20)
            assert counts(transport) == (0, 0)


def test_the_largest_head_can_be_chosen():
    answer = reply(b"ok", b"X-Large: " + b"x" * 2000)

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer[:1500])
        peer.hold()
        peer.send(answer[1500:])
        peer.read_to_end()

    with StubServer(script) as server:
        server.release()
        with HTTPTransport(max_head_size=5000) as transport:
            assert fetch(transport, server.url) == (200, b"ok")
        with HTTPTransport(max_head_size=1000) as transport:
            with pytest.raises(httpx.RemoteProtocolError, match="more than 1000 bytes"):
                fetch(transport, server.url)


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"hello", b"X-Some: header"),
        CHUNKED + b"\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n" + reply(b"hello"),
    ],
    ids=["content-length", "chunked", "interim"],
)
def test_a_reply_cut_short_anywhere_is_an_error(answer):
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer[: peer.number])
        peer.close()

    with StubServer(script) as server:
        with HTTPTransport() as transport:
            for _ in range(len(answer)):
                with pytest.raises(TruncatedReply):
                    fetch(transport, server.url)
            assert fetch(transport, server.url) == (200, b"hello")
    assert server.connections == len(answer) + 1
