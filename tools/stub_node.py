"""A stand-in for a QCache node: it takes uploads and answers every query alike."""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class StubNode:
    """Serves on a free loopback port, in threads, from entering to leaving the context."""

    def __init__(self, rows: Sequence[object]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(rows))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler_for(rows: Sequence[object]) -> type[BaseHTTPRequestHandler]:
    answer = json.dumps(rows).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        stored: frozenset[str] = frozenset()

        def do_GET(self) -> None:
            key = self.path.rpartition("/")[2].partition("?")[0]
            if key == "status":
                self._answer(200, b"OK", "text/html")
            elif key in Handler.stored:
                self._answer(200, answer, "application/json; charset=utf-8")
            else:
                self._answer(404, b"", "text/html")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            Handler.stored |= {self.path.rpartition("/")[2]}
            self._answer(201, b"", "text/html")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-QCache-unsliced-length", str(len(rows)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Keep quiet."""

    return Handler
