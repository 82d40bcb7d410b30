"""At most so many mails a minute, by all processes together.

Run it:  python -m examples.rate_limit      (needs: pip install storekit)
"""

from storekit.recipes import RateLimit
from storekit.testing import Stores


def main() -> None:
    # In a program: `client = Client(...)`. Here a clock of tests makes the minutes short.
    with Stores() as stores:
        limit = RateLimit(stores.qdb(), "mails", limit=3, per=60.0)
        print([limit.allow() for _ in range(5)])
        stores.clock.advance(limit.remaining_time())
        print([limit.allow() for _ in range(2)])


if __name__ == "__main__":
    main()
