"""HTTP/1.1 without I/O: encodes the heads of requests, parses replies.

llhttp (through httptools) does the parsing. This adds what llhttp leaves to its user: bounds,
replies without a body, replies that end with the connection, and whether the connection may carry
another request.

The states of a `ResponseParser` and their transitions:

    state      started  head_done  done   on                             becomes
    expecting  no       no         no     the first byte                 head
                                          the end of the connection      an error: TruncatedReply
    head       yes      no         no     an interim head (1xx)          head, of the next reply
                                          a head that has a body         body
                                          a head without one, or HEAD    done
                                          the end, more than the bound   an error
    body       yes      yes        no     the announced end              done
                                          the end of the connection      done where nothing else
                                                                         ends the body and the end
                                                                         was clean, else an error
    done       yes      yes        yes    `expect`                       expecting
                                          any byte                       done, not `reusable`

After an error the connection can only be closed. `reusable` is set in the state "done": both sides
keep the connection open, and nothing came after the reply.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

import httptools
import httpx

__all__ = ["MAX_HEAD_SIZE", "ResponseParser", "TruncatedReply", "encode_head"]

MAX_HEAD_SIZE = 128 * 1024
"""Most consecutive bytes of a reply that are not content: head, chunk lines, trailers."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_TARGET = re.compile(rb"[\x00-\x20\x7f-\xff]")
_BAD_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@lru_cache(maxsize=512)
def _is_token(name: bytes) -> bool:
    return _TOKEN.fullmatch(name) is not None


class TruncatedReply(httpx.RemoteProtocolError):
    """The server closed the connection before its reply was complete."""


def encode_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the encoded head of a request.

    Raises `httpx.LocalProtocolError` for characters that could split one request into two.
    """
    verb = method.encode("ascii", "replace")
    if not _is_token(verb):
        raise httpx.LocalProtocolError(f"{method!r} is not a valid HTTP method")
    if not target or _BAD_IN_TARGET.search(target):
        raise httpx.LocalProtocolError(f"{target!r} is not a valid HTTP request target")
    encode = _encode_headers_again if method == "GET" else _encode_headers
    return verb + b" " + target + b" HTTP/1.1\r\n" + encode(tuple(headers))


def _encode_headers(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    lines = []
    for name, value in headers:
        if not _is_token(name):
            raise httpx.LocalProtocolError(f"{name!r} is not a valid HTTP header name")
        if _BAD_IN_VALUE.search(value):  # not shown, since it may be a secret
            raise httpx.LocalProtocolError(f"the value of header {name!r} has control characters")
        lines.append(name + b": " + value + b"\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


# All queries of a client have the same headers, and checking them takes 2 µs.
_encode_headers_again = lru_cache(maxsize=64)(_encode_headers)


class ResponseParser:
    """Parses the replies of one connection, one after the other.

    Call `expect` for each request, then `feed` with what arrives until `done`. `content`
    collects the pieces of the body until `take_content`. `reusable` is valid once `done`.
    """

    def __init__(self, max_head_size: int = MAX_HEAD_SIZE) -> None:
        self._max_head_size = max_head_size
        self._parser = httptools.HttpResponseParser(self)
        self._must_renew = False
        self.expect("GET")

    def expect(self, method: str) -> None:
        """Prepare for the reply to a request with this method."""
        if self._must_renew:
            self._parser = httptools.HttpResponseParser(self)
            self._must_renew = False
        self._method = method
        self._overhead = 0  # bytes since the last content
        self._received = 0  # bytes of content
        self._ends_with_connection = False
        self._refused: str | None = None
        self.started: bool = False
        self.head_done: bool = False
        self.done: bool = False
        self.reusable: bool = False
        self.content: list[bytes] = []
        self._reset_head()

    def _reset_head(self) -> None:
        self.status: int = 0
        self.reason: bytes = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._has_length = False
        self._encoding = b""
        self._connection = b""

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the reply; `httpx.RemoteProtocolError` if they are invalid."""
        self.started = True
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            # Our callbacks do not raise, so this is an exception of a signal handler.
            raise error.__context__ or error from None
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.reusable = False
            if not self.done:  # else the reply was good and garbage followed
                raise httpx.RemoteProtocolError(f"not an HTTP/1.1 reply: {error}") from error
        if self._refused is not None:
            self.reusable = False
            raise httpx.RemoteProtocolError(self._refused)
        if not self.done and self._overhead > self._max_head_size:
            raise httpx.RemoteProtocolError(
                f"the reply has more than {self._max_head_size} bytes of headers"
            )

    def feed_end(self, *, clean: bool = True) -> None:
        """Note that the server closed the connection; `TruncatedReply` if that was too early.

        `clean` is False if the connection may have been cut: then it does not end a reply.
        """
        self.reusable = False
        if self.done:
            return
        if clean and self.head_done and self._ends_with_connection:
            self.done = True
            return
        if not self.started:
            where = "before it sent a reply"
        elif not self.head_done:
            where = "in the head of the reply"
        else:
            where = f"after {self._received} bytes of content"
        raise TruncatedReply(f"the server closed the connection {where}")

    def take_content(self) -> list[bytes]:
        """Return the pieces of content that arrived since the last call."""
        content, self.content = self.content, []
        return content

    # Called by the parser. They only record, since httptools would replace what they raise.

    def on_status(self, reason: bytes) -> None:
        if not self.done:
            self.reason += reason  # it may come in several pieces

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_done:  # a trailer
            return
        value = value.rstrip(b" \t")  # not part of the value (RFC 9110 5.5)
        self.headers.append((name, value))
        lowered = name.lower()
        if lowered == b"content-length":
            self._has_length = True
        elif lowered == b"transfer-encoding":
            self._encoding += b"," * bool(self._encoding) + value.strip().lower()
        elif lowered == b"connection":
            self._connection += b"," + value.lower()

    def on_headers_complete(self) -> None:
        if self.done:
            return
        self.status = self._parser.get_status_code()
        if 100 <= self.status < 200 and self.status != 101:
            return  # the real reply follows
        if self.status < 200:
            self._refused = f"status {self.status} was not asked for"
            return
        self.head_done = True
        if self._method == "HEAD":
            # llhttp would wait for the body that the headers announce.
            self._must_renew = True
            self.done = True
            # After chunked replies not: if a body follows nevertheless, llhttp would not report it.
            self.reusable = (
                self._parser.get_http_version() == "1.1"
                and b"close" not in self._connection
                and not self._encoding
            )
        elif self.status not in (204, 304) and not self._has_length:
            if self._encoding and self._encoding != b"chunked":
                self._refused = f"transfer encoding {self._encoding!r} was not asked for"
            self._ends_with_connection = not self._encoding

    def on_body(self, data: bytes) -> None:
        if self.done:
            self.reusable = False
            return
        self._overhead = 0
        self._received += len(data)
        self.content.append(data)

    def on_message_begin(self) -> None:
        if self.done:  # a second reply to one request
            self.reusable = False
            self._must_renew = True

    def on_message_complete(self) -> None:
        if self.done:
            return
        if not self.head_done:  # an interim reply
            self._reset_head()
            return
        self.done = True
        # httptools returns the right answer only in this callback.
        self.reusable = self._parser.should_keep_alive()
