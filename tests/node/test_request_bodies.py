"""What a request brings, as a server hands it over that can also put it into memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anyio
import pytest

from storekit.qcache.node.http import bodies
from storekit.qcache.node.http.bodies import RECEIVE_INTO, Body, ClientGone, RequestBody
from tests.node.asking import gathered

WAIT = 20.0
SILENT = 0.01
BLOCK = 10
GONE = {"type": "http.disconnect"}


def body(content: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


class Server:
    """Has messages, and pieces that it puts into memory; is silent when they are used up."""

    def __init__(self, messages: Iterable[dict[str, Any]], pieces: Iterable[bytes] = ()) -> None:
        self.messages = list(messages)
        self.pieces = list(pieces)
        self.calls = ""
        self.rooms: list[int] = []

    async def receive(self) -> dict[str, Any]:
        self.calls += "r"
        if not self.messages:
            await anyio.sleep_forever()
        return self.messages.pop(0)

    async def receive_into(self, room: memoryview) -> int:
        self.calls += "i"
        self.rooms.append(len(room))
        if not self.pieces:
            await anyio.sleep_forever()
        piece = self.pieces.pop(0)
        room[: len(piece)] = piece
        return len(piece)

    def content(self, timeout: float = WAIT) -> RequestBody:
        scope = {"extensions": {RECEIVE_INTO: self.receive_into}}
        return RequestBody(scope, self.receive, timeout)


async def test_content_is_put_into_memory_once_the_server_was_asked_for_it():
    server = Server([body(b"first"), body(b"", more=False)], [b"abc", b"de", b""])
    content = server.content()
    assert await gathered(content, BLOCK) == b"firstabcde"
    assert server.calls == "riiir"
    assert content.wanted == 10


async def test_no_more_is_put_into_memory_than_there_is_room_for():
    server = Server([body(b"first"), body(b"", more=False)], [b"abc", b"de", b"f", b""])
    assert await gathered(server.content(), BLOCK) == b"firstabcdef"
    assert server.rooms == [5, 2, 10, 9]


async def test_what_is_not_put_into_memory_comes_as_ever():
    server = Server([body(b"first"), body(b"second"), body(b"third", more=False)], [b"", b""])
    assert await gathered(server.content(), BLOCK) == b"firstsecondthird"
    assert server.calls == "ririr"


async def test_content_that_is_wanted_as_a_whole_comes_as_ever():
    server = Server([body(b"first"), body(b"second", more=False)])
    content, whole = server.content(), Body()
    while content.more:
        await content.next(whole)
    assert whole.take() == b"firstsecond"
    assert server.calls == "rr"


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {}}])
async def test_servers_need_not_know_the_extension(scope):
    server = Server([body(b"first"), {"type": "http.request"}])
    content = RequestBody(scope, server.receive, WAIT)
    assert await gathered(content, BLOCK) == b"first"
    assert server.calls == "rr"


@pytest.mark.parametrize("messages", [[], [body(b"first")]])
async def test_silence_is_told(messages):
    content = Server(messages).content(SILENT)
    with pytest.raises(TimeoutError):
        await gathered(content, BLOCK)
    assert content.wanted == sum(len(message["body"]) for message in messages)


@pytest.mark.parametrize("pieces", [[b""], [b"abc", b""]])
async def test_a_client_that_left_is_told(pieces):
    content = Server([body(b"first"), GONE], pieces).content()
    with pytest.raises(ClientGone):
        await gathered(content, BLOCK)
    assert content.wanted == 5 + sum(map(len, pieces))


async def test_what_is_discarded_was_not_wanted():
    server = Server([body(b"first"), body(b"", more=False)], [b"abc", b"de", b""])
    content = server.content()
    await content.next(Body())
    await content.discard(1000)
    assert not content.more
    assert content.wanted == 5
    assert server.calls == "riiir"


async def test_only_so_much_is_discarded():
    server = Server([body(b"first")], [b"abc"] * 10)
    await server.content().discard(10)
    assert server.calls == "rii"


@pytest.mark.parametrize("messages", [[], [GONE], [body(b"first"), GONE], [body(b"first")]])
async def test_discarding_ends_when_nothing_comes_any_more(messages):
    await Server(messages, [b""] * len(messages)).content(SILENT).discard(1000)


async def test_discarding_ends_after_the_time_of_silence(monkeypatch):
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(bodies, "monotonic", lambda: float(next(now)))
    server = Server([body(b"first")], [b"abc"] * 10)
    await server.content(25.0).discard(1000)
    assert server.calls == "ri"
