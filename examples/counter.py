"""A number that any number of threads and processes add to.

Run it:  python -m examples.counter      (needs: pip install storekit)
"""

from concurrent.futures import ThreadPoolExecutor

from storekit.qdb import Client
from storekit.recipes import Counter


def main() -> None:
    with Client("embedded:") as client:
        visits = Counter(client, "visits")
        with ThreadPoolExecutor(8) as threads:
            sums = sorted(threads.map(lambda _: visits.add(), range(100)))
        print(sums == [*range(1, 101)], visits.value(), visits.add(-40))


if __name__ == "__main__":
    main()
