"""Nodes that are served by a process of their own, started as a user starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

PYTHON = os.environ.get("STOREKIT_PYTHON_OF_NODE", sys.executable)
"""What runs the server: `nox -s served` has one that has no more than the extra brings."""


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STOREKIT_QCACHE_AUTH")}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


class Serving:
    """A process that serves a node."""

    def __init__(
        self,
        *options: str,
        hidden: Sequence[str] = (),
        before: str = "",
        silent: bool = False,  # until it is ready, for which nobody waits here
        listen: Sequence[str] = ("--port=0",),
        **variables: str,
    ) -> None:
        code = (
            "import sys; from storekit.qcache.__main__ import main\n"
            f"sys.modules.update(dict.fromkeys({list(hidden)}))\n"  # as if not installed
            f"{before}\n"
            "sys.exit(main(sys.argv[1:]))"
        )
        self.process = subprocess.Popen(
            [PYTHON, "-c", code, "serve", *listen, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**variables),
        )
        assert self.process.stdout is not None
        self.said = "" if silent else self.process.stdout.readline()
        self.url = self.said.rpartition(" ")[2].strip()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Status, and what was printed after the first line."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def fail(*options: str, **variables: str) -> str:
    """What is said by a server that does not start, with the status 2."""
    done = subprocess.run(
        [PYTHON, "-m", "storekit.qcache", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(**variables),
    )
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr
