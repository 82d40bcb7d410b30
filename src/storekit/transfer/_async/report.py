"""Reports the progress of a transfer to a function of the caller."""

from typing import Literal

from storekit.core.seam._async import call_here, check_callback
from storekit.transfer.values import TransferCallback, TransferProgress

__all__ = ["AsyncTransferReport"]


class AsyncTransferReport:
    """Calls a function, if there is one, with what was read in each phase."""

    def __init__(self, report: TransferCallback | None) -> None:
        """Raise `TypeError` unless it is a function, async or sync as the client allows."""
        if report is not None:
            check_callback("progress", report)
        self._report = report

    async def __call__(
        self, phase: Literal["checking", "copying", "verifying"], entries: int, content_bytes: int
    ) -> None:
        """Report how many entries and bytes of content were read."""
        if self._report is not None:
            await call_here(self._report, TransferProgress(phase, entries, content_bytes))
