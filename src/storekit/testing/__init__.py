"""For tests of programs that use storekit: fixtures, a clock that tests move, faults on order.

One line in a `conftest.py` loads the fixtures:

    pytest_plugins = ["storekit.testing.plugin"]

They are `qdb`, `async_qdb`, `qcache`, `async_qcache`, `kit`, `async_kit`, and `clock`, `faults`,
`record`, which all of them obey. No server is needed, and no event loop: the fixtures work under
any plugin for async tests.
"""

from storekit.testing.clock import Clock
from storekit.testing.faults import Faults
from storekit.testing.record import Record, RecordedCall
from storekit.testing.stores import Stores

__all__ = ["Clock", "Faults", "Record", "RecordedCall", "Stores"]
