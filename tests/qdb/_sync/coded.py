# Generated from tests/qdb/_async/coded.py by tools/generate_sync.py; do not edit.

"""What the tests of codecs share."""

import dataclasses

KEY = b"k" * 32


@dataclasses.dataclass
class User:
    name: str
    age: int = 0


ADA = User("Ada", 36)


def collect(entries):
    found = []
    for entry in entries:
        found += [entry]
    return dict(found)
