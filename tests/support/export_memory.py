"""Print the peak memory of a fresh process that exports a table, in bytes.

python -m tests.support.export_memory URL KEY PATH
"""

from __future__ import annotations

import sys

from storekit.qcache import QClient
from tests.support.peak_memory import resident

if __name__ == "__main__":
    url, key, path = sys.argv[1:]
    with QClient([url], read_timeout=60) as client:
        rows = client.export(key, {}, path)
    sys.stdout.write(f"{rows} {resident('VmHWM')}\n")
