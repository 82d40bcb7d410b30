# Generated from src/storekit/transfer/_async/report.py by tools/generate_sync.py; do not edit.

"""Telling the caller's function how far a transfer is."""

from typing import Literal

from storekit.core.seam._sync import call_here, check_callback
from storekit.transfer.values import TransferCallback, TransferProgress

__all__ = ["TransferReport"]


class TransferReport:
    """Calls a function, if there is one, with what was read in each phase."""

    def __init__(self, report: TransferCallback | None) -> None:
        """Take the function. Raises `TypeError` if it is none, or none for this client."""
        if report is not None:
            check_callback("progress", report)
        self._report = report

    def __call__(
        self, phase: Literal["checking", "copying", "verifying"], entries: int, content_bytes: int
    ) -> None:
        """Say how many entries and bytes of content were read."""
        if self._report is not None:
            call_here(self._report, TransferProgress(phase, entries, content_bytes))
