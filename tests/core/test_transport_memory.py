from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stub_server import Peer, StubServer, reply

SIZE = 50 << 20
HEADERS = (b"Content-Type: application/json", b"X-QCache-unsliced-length: 1")
BLOCK = b"x" * (1 << 20)


def announced(peer: Peer) -> None:
    peer.read_request()
    peer.send(reply(b"[]", *HEADERS))
    peer.read_request()
    head, _, _ = reply(b"", *HEADERS).partition(b"\r\n\r\n")
    peer.send(head.replace(b"Content-Length: 0", b"Content-Length: %d" % SIZE) + b"\r\n\r\n")
    for _ in range(SIZE // len(BLOCK)):
        peer.send(BLOCK)
    peer.read_to_end()


def chunked(peer: Peer) -> None:
    peer.read_request()
    peer.send(reply(b"[]", *HEADERS))
    peer.read_request()
    lines = [b"HTTP/1.1 200 OK", *HEADERS, b"Transfer-Encoding: chunked", b"\r\n"]
    peer.send(b"\r\n".join(lines))
    for _ in range(SIZE // len(BLOCK)):
        peer.send(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
    peer.send(b"0\r\n\r\n")
    peer.read_to_end()


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("script", [announced, chunked])
@pytest.mark.parametrize("world", ["asyncio", "sync"])
def test_a_reply_of_fifty_megabytes_takes_little_more_memory_than_that(world, script):
    with StubServer(script) as server:
        command = [sys.executable, "-m", "tests.support.peak_memory", world, server.url]
        root = Path(__file__).parents[2]
        done = subprocess.run(
            command, cwd=root, check=False, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr
    size, peak = map(int, done.stdout.split())
    assert size == SIZE
    assert peak <= 1.2 * size, f"the peak is {peak / size:.2f} times the content"
