"""For tests of programs that use storekit: fixtures, a clock that tests set, and injected faults.

One line in a `conftest.py` loads the fixtures:

    pytest_plugins = ["storekit.testing.plugin"]

They are `qdb`, `async_qdb`, `qcache`, `async_qcache`, `kit` and `async_kit`, and the `clock`,
`faults` and `record` that all of these share. They need no server, and work with any pytest plugin
for async tests.
"""

from storekit.testing.clock import Clock
from storekit.testing.faults import Faults
from storekit.testing.record import Record, RecordedCall
from storekit.testing.stores import Stores

__all__ = ["Clock", "Faults", "Record", "RecordedCall", "Stores"]
