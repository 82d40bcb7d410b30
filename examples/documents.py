"""A file of any size in a store of entries, and back.

Run it:  python -m examples.documents      (needs: pip install storekit)
"""

import tempfile
from pathlib import Path

import anyio

from storekit.qdb import AsyncRawClient


def tell(done: int, total: int | None) -> None:
    print(f"{done} of {total} bytes")


async def there_and_back(place: str, source: Path, copy: Path) -> None:
    async with AsyncRawClient(place) as client:
        key = await client.upload(source, slice_size=1_000_000, progress=tell)
        info = await client.download(key, copy)
        print(info.slices, "slices")
        await client.remove_document(key)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        source, copy = Path(directory, "source"), Path(directory, "copy")
        source.write_bytes(bytes(5_000_000))
        anyio.run(there_and_back, f"embedded:{directory}/store", source, copy)
        print("the same:", copy.read_bytes() == source.read_bytes())


if __name__ == "__main__":
    main()
