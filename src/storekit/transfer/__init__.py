"""Copies all entries of a store to another one, or to a file and back.

`copy`, `dump`, `restore` and `check_dump` take the sync clients `Client` and `RawClient`; the
functions that end in `_async` take `AsyncClient` and `AsyncRawClient`.
"""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names
from storekit.transfer.errors import DumpDamaged, TransferMismatch, TransferUnfinished
from storekit.transfer.values import (
    Compression,
    DumpInfo,
    Existing,
    TransferCallback,
    TransferProgress,
    TransferResult,
)

if TYPE_CHECKING:
    from storekit.transfer._async.copying import copy as copy_async
    from storekit.transfer._async.dumping import check_dump as check_dump_async
    from storekit.transfer._async.dumping import dump as dump_async
    from storekit.transfer._async.dumping import restore as restore_async
    from storekit.transfer._sync.copying import copy
    from storekit.transfer._sync.dumping import check_dump, dump, restore
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "check_dump": "._sync.dumping",
            "check_dump_async": "._async.dumping:check_dump",
            "copy": "._sync.copying",
            "copy_async": "._async.copying:copy",
            "dump": "._sync.dumping",
            "dump_async": "._async.dumping:dump",
            "restore": "._sync.dumping",
            "restore_async": "._async.dumping:restore",
        },
    )

__all__ = [
    "Compression",
    "DumpDamaged",
    "DumpInfo",
    "Existing",
    "TransferCallback",
    "TransferMismatch",
    "TransferProgress",
    "TransferResult",
    "TransferUnfinished",
    "check_dump",
    "check_dump_async",
    "copy",
    "copy_async",
    "dump",
    "dump_async",
    "restore",
    "restore_async",
]
