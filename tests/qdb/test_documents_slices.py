"""What files say of what they took."""

import asyncio
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qdb import AsyncRawClient, RawClient
from storekit.qdb.documents.slices import Unwritten, waits

CONTENT = bytes(range(200)) * 1000


class Says(io.RawIOBase):
    """A raw file that takes some bytes of what it is given, and says what it is told to."""

    def __init__(self, *answers):
        self.answers, self.calls, self.content = answers, 0, b""

    def write(self, content):
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        if isinstance(answer, int) and answer > 0:
            self.content += bytes(content[:answer])
            answer = min(answer, len(content))
        return answer


class SaysOtherwise(Says):
    def write(self, content):
        super().write(content)
        return self.answers[0]


class SaysLater:
    """The same, for files whose calls are to be awaited."""

    def __init__(self, file):
        self.file = file
        self.wrapped = file

    async def write(self, content):
        return self.file.write(content)


NO_PROGRESS = [(None,), (0,), (5, None), (5, 0), (-1,), (-(2**70),), (False,)]
NO_SENSE = [(2**16 + 1,), (2**70,), ("5",), (b"",), ([],), (1.5,), (True,), (float("nan"),)]


def download_both(file):
    """Return functions that download to a file with each kind of client."""

    def plain():
        with RawClient("embedded:") as client:
            client.download(client.upload(io.BytesIO(CONTENT)), file)

    async def download(file):
        async with AsyncRawClient("embedded:") as client:
            await client.download(await client.upload(io.BytesIO(CONTENT)), file)

    return (
        plain,
        lambda: asyncio.run(download(file)),
        lambda: asyncio.run(download(SaysLater(file))),
    )


@pytest.mark.parametrize("world", [0, 1, 2], ids=["sync", "async", "awaited"])
@pytest.mark.parametrize("answers", NO_PROGRESS, ids=repr)
def test_a_file_that_writes_nothing_several_times_is_an_error(answers, world):
    file = Says(*answers)
    with pytest.raises((OSError, TypeError)):
        download_both(file)[world]()
    assert file.calls < 10


@pytest.mark.parametrize("world", [0, 1, 2], ids=["sync", "async", "awaited"])
@pytest.mark.parametrize("answers", NO_SENSE, ids=repr)
def test_what_makes_no_sense_is_an_error(answers, world):
    with pytest.raises((OSError, TypeError)):
        download_both(SaysOtherwise(*answers))[world]()


@pytest.mark.parametrize("world", [0, 1, 2], ids=["sync", "async", "awaited"])
@pytest.mark.parametrize(
    "answers", [(50_000,), (0, 40_000), (0, 0, 40_000, 0, 0, 70_000)], ids=repr
)
def test_a_file_that_takes_little_at_a_time_gets_all(answers, world):
    file = Says(*answers)
    download_both(file)[world]()
    assert file.content == CONTENT


@given(st.lists(st.binary(max_size=200_000)), st.data())
def test_whatever_is_taken_nothing_is_lost_or_written_twice(contents, data):
    left, taken = Unwritten(contents, waits=True), b""
    for _ in range(12):
        if not left:
            break
        piece = left.next()
        count = data.draw(st.none() | st.integers(1, len(piece)))
        taken += piece[:count]
        left.took(count)
    else:
        while left:
            taken += left.next()
            left.took(None)
    assert taken == b"".join(contents)


def test_which_files_wait():
    reader, writer = os.pipe()
    try:
        with os.fdopen(writer, "wb", buffering=0) as raw:
            assert not waits(raw)
            assert not waits(SaysLater(raw))
        assert waits(io.BytesIO())
        assert waits(object())
    finally:
        os.close(reader)
