# Generated from tests/qdb/_async/changing.py by tools/generate_sync.py; do not edit.

"""What the tests of documents that change share."""

import io
import uuid
from datetime import timedelta

KEY = uuid.UUID(int=7)
SLICE = 4096
OURS, THEIRS = b"o" * (6 * SLICE), b"o" * (3 * SLICE) + b"t" * (2 * SLICE + 1)
SOON = timedelta(seconds=60)


class Broken(Exception):
    pass


class BreaksOff(io.BytesIO):
    """A file that fails at an offset."""

    def __init__(self, content, offset):
        super().__init__(content)
        self.offset = offset

    def read(self, size=-1):
        if self.tell() >= self.offset:
            raise Broken
        return super().read(size)


def uploaded(client, content, **options):
    return client.upload(io.BytesIO(content), KEY, slice_size=SLICE, **options)


def downloaded(client):
    copy = io.BytesIO()
    client.download(KEY, copy)
    return copy.getvalue()
