"""The errors of copy, dump and restore, besides those of the clients."""

from storekit.errors import StoreKitError

__all__ = ["DumpDamaged", "TransferMismatch", "TransferUnfinished"]


class TransferUnfinished(StoreKitError):
    """A copy or restore into the store is running, or was interrupted: the store is incomplete."""


class TransferMismatch(StoreKitError):
    """Entries differ between source and target after a transfer.

    `aliases` has the first hundred of them.
    """

    aliases: tuple[str, ...] = ()

    def __init__(self, *args: object, aliases: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.aliases = aliases


class DumpDamaged(StoreKitError):
    """A file is not a dump, or it is damaged: truncated, changed, or never finished.

    `offset` is the position in the file, in bytes, of the damaged part; `entry` is the number of
    entries before it that could be read.
    """

    offset: int = 0
    entry: int = 0

    def __init__(self, *args: object, offset: int = 0, entry: int = 0) -> None:
        super().__init__(*args)
        self.offset = offset
        self.entry = entry

    def __str__(self) -> str:
        return f"{super().__str__()} (at byte {self.offset}, after {self.entry} entries)"
