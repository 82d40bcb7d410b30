"""What the tests of codecs share."""

import dataclasses

KEY = b"k" * 32


@dataclasses.dataclass
class User:
    name: str
    age: int = 0


ADA = User("Ada", 36)


async def collect(entries):
    found = []
    async for entry in entries:
        found += [entry]
    return dict(found)
