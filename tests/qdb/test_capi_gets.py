"""Many gets in one call of the C library."""

import pytest

from storekit.qdb.capi.handle import VIEW_SIZE
from storekit.qdb.errors import (
    AliasTooLong,
    ConnectionFailed,
    ErrorCode,
    InvalidArgument,
    QuasardbException,
)

LARGE = b"x" * VIEW_SIZE


def told(found):
    return [
        each.error_code if isinstance(each, QuasardbException) else bytes(each) for each in found
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 700])
def test_each_has_its_content_or_its_error(door_session, count):
    aliases = [f"{number}é" for number in range(count)]
    wanted = []
    for number, alias in enumerate(aliases):
        if number % 3 == 0:
            wanted.append(ErrorCode.ALIAS_NOT_FOUND)
        elif number % 3 == 1:
            door_session.blob_put(alias, b"." * number, 0)
            wanted.append(b"." * number)
        else:
            door_session.int_put(alias, 1, 0)
            wanted.append(ErrorCode.INCOMPATIBLE_TYPE)
    for _ in range(2):  # with memory that was used before
        assert told(door_session.blob_get_many(aliases)) == wanted


def test_large_contents_are_copies_and_their_memory_is_given_back_at_once(door_session, counters):
    contents = [LARGE, b"", b"small", LARGE + b"1"]
    for number, content in enumerate(contents):
        door_session.blob_put(str(number), content, 0)
    before = counters.outstanding
    found = door_session.blob_get_many(["0", "missing", "1", "2", "3"])
    assert counters.outstanding == before
    door_session.blob_update("0", b"changed", 0)
    assert told(found) == [contents[0], ErrorCode.ALIAS_NOT_FOUND, *contents[1:]]
    assert {type(each) for each in found if not isinstance(each, Exception)} == {bytes}


@pytest.mark.parametrize(
    ("alias", "error"),
    [("", InvalidArgument), ("a\0b", InvalidArgument), ("x" * 1025, AliasTooLong)],
)
def test_malformed_alias_is_refused_before_anything_is_sent(door_session, alias, error):
    with pytest.raises(error):
        door_session.blob_get_many(["a", alias])


def test_without_a_connection_all_is_refused(unconnected):
    with pytest.raises(ConnectionFailed):
        unconnected.blob_get_many(["a", "b"])
