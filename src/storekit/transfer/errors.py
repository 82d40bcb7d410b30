"""What can go wrong with a copy, a dump or a restore, beside what the stores raise."""

from storekit.errors import StoreKitError

__all__ = ["DumpDamaged", "TransferMismatch", "TransferUnfinished"]


class TransferUnfinished(StoreKitError):
    """A copy or restore into the store is under way, or was broken off: it is not whole."""


class TransferMismatch(StoreKitError):
    """Entries are not the same on both sides after a transfer.

    `aliases` has the first hundred of them.
    """

    aliases: tuple[str, ...] = ()

    def __init__(self, *args: object, aliases: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.aliases = aliases


class DumpDamaged(StoreKitError):
    """A file is no dump, or not what was written: cut short, changed, or never finished.

    `offset` says where in the file, in bytes, the part begins that is wrong; `entry` is the number
    of entries before it that could be read.
    """

    offset: int = 0
    entry: int = 0

    def __init__(self, *args: object, offset: int = 0, entry: int = 0) -> None:
        super().__init__(*args)
        self.offset = offset
        self.entry = entry

    def __str__(self) -> str:
        return f"{super().__str__()} (at byte {self.offset}, after {self.entry} entries)"
