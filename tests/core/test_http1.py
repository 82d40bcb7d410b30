from __future__ import annotations

import itertools
import re
from typing import NamedTuple

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storekit.core.http1 import MAX_HEAD_SIZE, ResponseParser, TruncatedReply, encode_head

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


class Reply(NamedTuple):
    raw: bytes
    content: bytes
    method: str = "GET"
    status: int = 200
    reason: bytes = b"OK"
    reusable: bool = True


REPLIES = {
    "length": Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", b"hello"),
    "empty": Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "reason": Reply(
        b"HTTP/1.1 201 Well Made Indeed\r\nContent-Length: 1\r\n\r\nx",
        b"x",
        status=201,
        reason=b"Well Made Indeed",
    ),
    "no reason": Reply(b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x", reason=b""),
    "close": Reply(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"ok",
        reusable=False,
    ),
    "http 1.0": Reply(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", reusable=False),
    "chunked": Reply(CHUNKED + b"\r\n3\r\nabc\r\nb\r\nhello again\r\n0\r\n\r\n", b"abchello again"),
    "extensions": Reply(CHUNKED + b'\r\n2;a=b;c="d"\r\nok\r\n0;e\r\n\r\n', b"ok"),
    "trailers": Reply(CHUNKED + b"\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-B: c\r\n\r\n", b"ok"),
    "204": Reply(
        b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", b"", status=204, reason=b"No Content"
    ),
    "304": Reply(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        b"",
        status=304,
        reason=b"Not Modified",
    ),
    "head": Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"", method="HEAD"),
    "head without length": Reply(b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n", b"", method="HEAD"),
    "interim": Reply(INTERIM * 2 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "interim, chunked": Reply(INTERIM + CHUNKED + b"\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
}
UNTIL_THE_END = b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nall there is"

in_any_time = settings(deadline=None)
replies = pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)


def parse(pieces: list[bytes], method: str = "GET") -> ResponseParser:
    parser = ResponseParser()
    parser.expect(method)
    for piece in pieces:
        parser.feed(piece)
    return parser


def outcome(parser: ResponseParser) -> tuple[object, ...]:
    return (
        parser.done,
        parser.head_done,
        parser.reusable,
        parser.status,
        parser.reason,
        parser.headers,
        b"".join(parser.content),
    )


def split(data: bytes, cuts: set[int]) -> list[bytes]:
    places = [0, *sorted(cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places) if end > start]


@replies
def test_a_reply_is_what_it_says(reply):
    parser = parse([reply.raw], reply.method)
    assert parser.done
    assert parser.status == reply.status
    assert parser.reason == reply.reason
    assert b"".join(parser.take_content()) == reply.content
    assert parser.take_content() == []
    assert parser.reusable == reply.reusable
    names = [name for name, _ in parser.headers]
    assert (b"X-A" in names) == (b"X-A" in reply.raw)
    assert not {b"Link", b"X-Sum", b"X-B"} & set(names)


@replies
def test_a_reply_that_is_cut_short_is_never_complete(reply):
    for size in range(len(reply.raw)):
        parser = parse([reply.raw[:size]] if size else [], reply.method)
        assert not parser.done
        with pytest.raises(TruncatedReply):
            parser.feed_end()
        assert not parser.done
        assert not parser.reusable


@pytest.mark.parametrize("blanks", [b" ", b"\t", b" \t "])
def test_blanks_around_a_header_value_are_no_part_of_it(blanks):
    parser = ResponseParser("GET")
    parser.feed(
        b"HTTP/1.1 200 OK\r\nX-A:%bb c%b\r\nConnection: close%b\r\nContent-Length: 2%b\r\n\r\nok"
        % (blanks, blanks, blanks, blanks)
    )
    assert parser.headers == [
        (b"X-A", b"b c"),
        (b"Connection", b"close"),
        (b"Content-Length", b"2"),
    ]
    assert parser.done
    assert not parser.reusable


def test_a_reply_without_a_length_is_complete_at_a_clean_end_and_no_other():
    head_size = UNTIL_THE_END.index(b"all")
    for size in range(1, len(UNTIL_THE_END) + 1):
        for clean in True, False:
            parser = parse([UNTIL_THE_END[:size]])
            if size >= head_size and clean:
                parser.feed_end(clean=clean)
                assert parser.done
                assert b"".join(parser.content) == UNTIL_THE_END[head_size:size]
            else:
                with pytest.raises(TruncatedReply):
                    parser.feed_end(clean=clean)
                assert not parser.done
            assert not parser.reusable


@replies
def test_a_connection_that_ends_after_a_reply_cannot_be_reused(reply):
    parser = parse([reply.raw], reply.method)
    parser.feed_end()
    assert parser.done
    assert not parser.reusable


@replies
@in_any_time
@given(data=st.data())
def test_it_does_not_matter_in_which_pieces_a_reply_arrives(reply, data):
    whole = outcome(parse([reply.raw], reply.method))
    cuts = data.draw(st.sets(st.integers(1, len(reply.raw) - 1)))
    assert outcome(parse(split(reply.raw, cuts), reply.method)) == whole


@replies
def test_a_reply_may_arrive_byte_by_byte(reply):
    whole = outcome(parse([reply.raw], reply.method))
    assert outcome(parse(split(reply.raw, set(range(len(reply.raw)))), reply.method)) == whole


@in_any_time
@given(order=st.lists(st.sampled_from(sorted(REPLIES)), max_size=8))
def test_one_parser_takes_reply_after_reply(order):
    parser = ResponseParser()
    for name in order:
        reply = REPLIES[name]
        parser.expect(reply.method)
        parser.feed(reply.raw)
        assert parser.done
        assert (parser.status, parser.reason) == (reply.status, reply.reason)
        assert b"".join(parser.take_content()) == reply.content
        if not parser.reusable:
            parser = ResponseParser()


@replies
@in_any_time
@given(surplus=st.binary(min_size=1).filter(lambda data: data.strip(b"\r\n")))
@example(surplus=b"5\r\n")
@example(surplus=b"5")
@example(surplus=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
def test_a_connection_with_more_on_it_than_the_reply_cannot_be_reused(reply, surplus):
    parser = parse([reply.raw + surplus], reply.method)
    assert parser.done
    assert b"".join(parser.content) == reply.content
    assert parser.status == reply.status
    assert not parser.reusable


def test_a_head_reply_that_announces_chunks_does_not_leave_the_connection_reusable():
    # The first line of a chunk that follows would go unnoticed.
    assert not parse([CHUNKED + b"\r\n"], "HEAD").reusable


@in_any_time
@given(st.lists(st.binary(min_size=1), max_size=5), st.sampled_from(["GET", "HEAD"]))
def test_noise_is_an_error_of_the_protocol_and_of_no_other_kind(pieces, method):
    _feed_anything(pieces, method)


@in_any_time
@given(
    st.sampled_from(sorted(REPLIES)),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), min_size=1, max_size=4),
    st.sets(st.integers(1, 100), max_size=3),
)
def test_a_damaged_reply_is_an_error_of_the_protocol_and_of_no_other_kind(name, damages, cuts):
    reply = REPLIES[name]
    raw = reply.raw
    for place, replacement in damages:
        raw = raw[:place] + replacement + raw[place + len(replacement) :]
    _feed_anything(split(raw, {cut for cut in cuts if cut < len(raw)}), reply.method)


def _feed_anything(pieces: list[bytes], method: str) -> None:
    parser = ResponseParser()
    parser.expect(method)
    try:
        for piece in pieces:
            parser.feed(piece)
        parser.feed_end()
    except httpx.RemoteProtocolError:
        assert not parser.reusable
    else:
        assert parser.done


@pytest.mark.parametrize(
    ("beginning", "endless"),
    [
        (b"", b"\r\n"),
        (b"HTTP/1.1 200 ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", INTERIM),
        (CHUNKED + b"\r\n1;", b"x"),
        (CHUNKED + b"\r\n1\r\nx\r\n0\r\n", b"A: b\r\n"),
    ],
    ids=["empty lines", "reason", "headers", "interim", "extension", "trailers"],
)
def test_what_is_not_content_is_bounded(beginning, endless):
    parser = parse([beginning] if beginning else [])
    piece = endless * (1 + 1000 // len(endless))
    with pytest.raises(httpx.RemoteProtocolError, match=f"more than {MAX_HEAD_SIZE} bytes"):
        for _ in range(2 * MAX_HEAD_SIZE // len(piece)):
            parser.feed(piece)
    assert not parser.reusable


def test_content_is_not_bounded():
    parser = parse([CHUNKED + b"\r\n"])
    chunk = b"1;extension\r\nx\r\n" * 1000
    for _ in range(3 * MAX_HEAD_SIZE // len(chunk)):
        parser.feed(chunk)
        assert len(parser.take_content()) == 1000
    parser.feed(b"0\r\n\r\n")
    assert parser.done
    assert parser.reusable


# Requests

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
tokens = st.from_regex(TOKEN, fullmatch=True)
targets = st.from_regex(rb"[\x21-\x7e]+", fullmatch=True)
values = st.from_regex(rb"[\t\x20-\x7e\x80-\xff]*", fullmatch=True)


@in_any_time
@given(tokens.map(bytes.decode), targets, st.lists(st.tuples(tokens, values), max_size=5))
def test_a_head_says_what_it_was_made_of_and_no_more(method, target, headers):
    head = encode_head(method, target, headers)
    lines = head.split(b"\r\n")
    assert lines[0] == b"%b %b HTTP/1.1" % (method.encode(), target)
    assert lines[1:-2] == [name + b": " + value for name, value in headers]
    assert lines[-2:] == [b"", b""]


@in_any_time
@given(tokens, st.binary(), st.sampled_from([b"\r", b"\n", b"\0", b"\x0b", b"\x7f"]), st.binary())
def test_control_characters_in_a_value_are_refused_and_not_shown(name, before, bad, after):
    secret = b"open-sesame"
    with pytest.raises(httpx.LocalProtocolError) as caught:
        encode_head("GET", b"/", [(name, before + secret + bad + after)])
    assert "open-sesame" not in str(caught.value)


@in_any_time
@given(st.binary().filter(lambda name: not TOKEN.fullmatch(name)))
@example(b"X-A\n")
def test_a_header_name_that_is_no_token_is_refused(name):
    with pytest.raises(httpx.LocalProtocolError):
        encode_head("GET", b"/", [(b"Host", b"h"), (name, b"value")])


@in_any_time
@given(st.text().filter(lambda text: not TOKEN.fullmatch(text.encode(errors="replace"))))
@example("GET\n")
@example("GET /x HTTP/1.1\r\nX:")
def test_a_method_that_is_no_token_is_refused(method):
    with pytest.raises(httpx.LocalProtocolError):
        encode_head(method, b"/", [])


@in_any_time
@given(st.binary().filter(lambda target: not re.fullmatch(rb"[\x21-\x7e]+", target)))
@example(b"/x HTTP/1.1\r\nX: y")
@example(b"/\n")
def test_a_target_with_blanks_or_control_characters_is_refused(target):
    with pytest.raises(httpx.LocalProtocolError):
        encode_head("GET", target, [])


def test_a_method_outside_of_ascii_is_refused():
    with pytest.raises(httpx.LocalProtocolError):
        encode_head("G\N{LATIN CAPITAL LETTER A WITH DIAERESIS}T", b"/", [])
