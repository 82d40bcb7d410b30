"""A stub of a QCache node for measuring clients: it always sends the same reply, as fast as it can.

    python -m benchmarks.stub    # prints its port, serves until its standard input ends

It runs in a separate process, so that it takes no time from the clients under test, and ends
with the process that started it. It has no data, and reads only the path of a request.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

__all__ = ["BIG_KEY", "BIG_SIZE", "running_stub"]

BIG_KEY = "big"
BIG_SIZE = 50_000_000

_SMALL_BODY = (
    b'[{"key":"a","value":1.5},{"key":"b","value":2.5},'
    b'{"key":"c","value":3.5},{"key":"d","value":4.5}]'
)
_BIG_REQUEST = f"GET /qcache/dataset/{BIG_KEY}?".encode()
_PIECE = 256 * 1024
_START_TIMEOUT = 20


def _head(length: int) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\n"
        b"Server: TornadoServer/5.1.1\r\n"
        b"Content-Type: application/json; charset=utf-8\r\n"
        b"X-QCache-unsliced-length: 4\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


_SMALL = _head(len(_SMALL_BODY)) + _SMALL_BODY


class _Node(asyncio.Protocol):
    """One connection. It can only parse requests without a body."""

    def __init__(self) -> None:
        self._rest = b""
        self._to_send = memoryview(b"")
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            if request.startswith(_BIG_REQUEST):
                self._transport.write(_head(BIG_SIZE))
                self._to_send = memoryview(bytes(BIG_SIZE))
                self._send_more()
            else:
                self._transport.write(_SMALL)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._send_more()

    def _send_more(self) -> None:
        while self._to_send and not self._paused:
            self._transport.write(self._to_send[:_PIECE])
            self._to_send = self._to_send[_PIECE:]


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Node, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    threading.Thread(target=_end_with_input, daemon=True).start()
    loop_factory = None
    try:
        import uvloop  # noqa: PLC0415 - not available on all systems
    except ImportError:
        pass
    else:
        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve())


@contextmanager
def running_stub() -> Iterator[str]:
    """Start a stub in a separate process; yields its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stub"],
        cwd=Path(__file__).resolve().parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(_START_TIMEOUT, process.kill)
    watchdog.start()
    try:
        port = process.stdout.readline().strip()
        watchdog.cancel()
        if not port:
            raise RuntimeError("the stub server did not start")
        yield f"http://127.0.0.1:{int(port)}"
    finally:
        watchdog.cancel()
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main()
