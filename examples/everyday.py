"""What one does every day with a store: ask, list, load, find, keep files.

Run it:  python -m examples.everyday      (needs: pip install storekit)
"""

import io
from datetime import timedelta

from storekit.qdb import Client


def load_greeting() -> str:
    print("loaded")
    return "hello"


def main() -> None:
    with Client("embedded:") as client:
        client.put_many({f"city/{name}": name.upper() for name in ("lund", "kiruna", "uppsala")})
        print(client.get("city/oslo", default="not there"), "city/lund" in client)
        print(client.get_many(["city/lund", "city/oslo", "city/kiruna"]))
        print(list(client.aliases(prefix="city/")))
        print(client.remove_many(["city/lund", "city/oslo"]))

        # One load for all callers at the same time; it is there for a minute then.
        for _ in range(2):
            print(client.get_or_load("greeting", load_greeting, timedelta(minutes=1)))
        client.touch("greeting", timedelta(hours=1))

        for name in ("kiruna", "uppsala"):
            client.attach_tag(f"city/{name}", "sweden")
        client.attach_tag("city/kiruna", "north")
        print(client.find("find(tag='sweden' AND NOT tag='north')"))

        client.upload(io.BytesIO(b"x" * 3_000_000), "reports/may")
        print([(found.key, found.size) for found in client.documents(prefix="reports/")])


if __name__ == "__main__":
    main()
