"""What `docs/cli.md` shows of commands, done again; `python -m tests.cli.recorded` writes it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from storekit.cli import main
from tests.cli.serving import serving

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BLOCK = re.compile(r"^```console( roughly)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
NODE = "127.0.0.1:8888"
"""How the page calls the node that is served for it."""


class Shell:
    """Runs commands one after the other in a directory that was empty."""

    def __init__(self, folder: Path, node: str) -> None:
        self.node = node
        self.code = 0
        shim = folder / "bin" / "storekit"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m storekit "$@"\n')
        shim.chmod(0o755)
        self.environment = {
            **{name: each for name, each in os.environ.items() if "STOREKIT" not in name},
            "PATH": f"{shim.parent}:{os.environ['PATH']}",
            "COLUMNS": "80",
            "TZ": "UTC",
            "STOREKIT_QDB": "embedded:store.db",
            "STOREKIT_QCACHE": f"qcache://{NODE}",
        }

    def run(self, line: str) -> str:
        """Return what a command prints, on standard output and error."""
        if line == "echo $?":
            return f"{self.code}\n"
        with mock.patch.dict(os.environ, self._with_node(self.environment), clear=True):
            if re.fullmatch(r"storekit [^|<>;$]*", line):
                said = self._in_process(shlex.split(line)[1:])
            else:
                done = subprocess.run(
                    ["bash", "-c", line.replace(NODE, self.node)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    check=False,
                )
                self.code, said = done.returncode, done.stdout
        return said.decode().replace(self.node, NODE)

    def _with_node(self, environment: dict[str, str]) -> dict[str, str]:
        return {name: each.replace(NODE, self.node) for name, each in environment.items()}

    def _in_process(self, arguments: list[str]) -> bytes:
        said = io.BytesIO()
        with (
            contextlib.redirect_stdout(io.TextIOWrapper(said, write_through=True)) as out,
            contextlib.redirect_stderr(out),
        ):
            self.code = main([each.replace(NODE, self.node) for each in arguments])
            out.flush()
            return said.getvalue()


def masked(text: str) -> str:
    """Return text without what differs each time: numbers, units, bars and spaces."""
    text = re.sub(r"█+", "█", text)
    text = re.sub(r"─+", "─", text)
    text = re.sub(r"[0-9-]+T[0-9:.+]+", "#", text)
    text = re.sub(r"[0-9]+([.,:-][0-9]+)*( ?(µs|ms|s|min|h|B|KiB|MiB|GiB))?\b", "#", text)
    return re.sub(r"\s+", " ", text)


def played(text: str, shell: Shell) -> str:
    """Return a page with what its commands print now, where that is not what it shows."""

    def play(block: re.Match[str]) -> str:
        same = masked if block[1] else str
        parts = re.split(r"^(\$ .*\n)", block[2], flags=re.MULTILINE)
        assert parts[0] == "", "a block begins with a command"
        lines = []
        for command, shown in zip(parts[1::2], parts[2::2], strict=True):
            said = shell.run(command[2:].strip())
            lines += [command, shown if same(said) == same(shown) else said]
        return f"```console{block[1] or ''}\n{''.join(lines)}```"

    return BLOCK.sub(play, text)


def replayed(text: str) -> str:
    """Return a page with what its commands print now, in an empty directory, on a new node."""
    with (
        serving() as url,
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
    ):
        return played(text, Shell(Path(folder), url.removeprefix("http://").rstrip("/")))


if __name__ == "__main__":
    PAGE.write_text(replayed(PAGE.read_text()))
