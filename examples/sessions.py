"""Sessions of a web site: a small program, for the sake of its tests in `test_sessions.py`.

Run it:  python -m examples.sessions      (needs: pip install storekit)
"""

import secrets
from datetime import timedelta

from storekit.qdb import Client

LIFETIME = timedelta(hours=1)


class Sessions:
    """Who is logged in. A session ends an hour after it was last seen."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def begin(self, user: str) -> str:
        session = secrets.token_hex(8)
        self._client.put(f"session/{session}", {"user": user}, LIFETIME)
        return session

    def user_of(self, session: str) -> str | None:
        found = self._client.get(f"session/{session}", default=None)
        if found is None:
            return None
        self._client.touch(f"session/{session}", LIFETIME)
        return str(found["user"])


def main() -> None:
    with Client("embedded:") as client:
        sessions = Sessions(client)
        session = sessions.begin("ada")
        print(sessions.user_of(session), sessions.user_of("another"))


if __name__ == "__main__":
    main()
