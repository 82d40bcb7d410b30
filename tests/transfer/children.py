"""The command in a process that stops where a test wants it: `python -m tests.transfer.children`.

    python -m tests.transfer.children ENTRIES ARGUMENT...

When the transfer has read so many entries it says so, and waits for the end of its input. With
`STOREKIT_TEST_FILE_SIZE`, no file may become larger than that, in bytes; with
`STOREKIT_TEST_KILL`, the process is killed after so many seconds.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from storekit import cli
from storekit.cli import transfer
from storekit.transfer import TransferProgress


def stop_at(entries: int) -> None:
    """Have transfers of the command wait once they have read so many entries."""

    @contextmanager
    def progress(invocation: object) -> Iterator[Callable[[TransferProgress], None]]:
        def report(done: TransferProgress) -> None:
            if done.phase == "copying" and done.entries >= entries:
                sys.stdout.write(f"{done.entries}\n")
                sys.stdout.flush()
                # A signal that comes just before a blocking call does not end it: look again.
                while not select.select([sys.stdin], [], [], 0.1)[0]:
                    pass

        yield report

    transfer.transfer_progress = progress


if __name__ == "__main__":
    count, *arguments = sys.argv[1:]
    stop_at(int(count))
    if limit := os.environ.get("STOREKIT_TEST_FILE_SIZE"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    if seconds := os.environ.get("STOREKIT_TEST_KILL"):
        timer = threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    sys.exit(cli.main(arguments))
