"""A script without an event loop: the same operations, by plain calls.

Run it:  python -m examples.script      (needs: pip install storekit)
"""

import datetime

from storekit import qdb


def main() -> None:
    with qdb.Client("embedded:") as client:
        client.put("city", {"name": "Uppsala", "people": 177074})
        client.put("lease", "mine", datetime.timedelta(minutes=5))
        print(client.get("city"))
        try:
            client.put("lease", "yours")
        except qdb.AliasAlreadyExists as error:
            print("taken:", error.alias)
        print(sorted(alias for alias, _ in client))


if __name__ == "__main__":
    main()
