"""The tutorial, followed to the letter: each file is saved, each command is run."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tools.pages import ROOT, tutorial

PAGE = tutorial()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Reader:
    """Somebody who does what the page says, in a directory that was empty."""

    def __init__(self, folder, ports):
        self.folder = folder
        self.ports = ports  # what the page has, and what is free on this machine
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("STOREKIT_")
        } | {"PYTHONWARNINGS": "error"}
        self.said = ""
        self.served = []

    def follow(self):
        before = PAGE.path.read_text().splitlines()
        for block in PAGE.blocks():
            text = self._with_ports(block.text)
            words = " ".join(before[max(0, block.line - 6) : block.line - 1])
            if block.language == "python":
                (name,) = re.findall(r"[Ss]ave\s+this as `(\w+\.py)`:", words)
                (self.folder / name).write_text(text)
            elif block.language == "sh":
                assert self.said == "", f"what line {block.line} printed is shown nowhere"
                for line in text.splitlines():
                    self.said += self._do(line)
            elif block.language == "text":
                assert self.said == text, f"at line {block.line}"
                self.said = ""
        assert self.said == ""

    def _with_ports(self, text):
        for shown, free in self.ports.items():
            text = text.replace(shown, free)
        return text

    def _do(self, line):
        words = shlex.split(line)
        if words[0] in (".", "python3"):
            return ""  # an environment: the one in which this runs
        if words[0] == "pip":
            for extra in re.findall(r"storekit\[([\w,]+)\]", line):
                assert {*extra.split(",")} <= {*EXTRAS}
            return ""
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.environment[name] = value
            return ""
        assert words[0] == "python", line
        command = [sys.executable, *words[1:]]
        if "serve" in words:
            served = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
            )
            self.served.append(served)
            return served.stdout.readline()
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if ran.returncode:
            return ran.stderr.splitlines(keepends=True)[-1]
        assert ran.stderr == ""
        return ran.stdout


@contextmanager
def reader(folder, ports) -> Iterator[Reader]:
    made = Reader(folder, ports)
    try:
        yield made
    finally:
        for served in made.served:
            served.send_signal(signal.SIGINT)
            served.wait(20)
            served.stdout.close()


@pytest.mark.slow
def test_the_tutorial_can_be_followed(tmp_path, vendor_path):
    with reader(tmp_path, {"9401": str(free_port()), "2836": str(free_port())}) as somebody:
        somebody.follow()


@pytest.mark.slow
def test_its_last_program_works_on_the_c_library(tmp_path, door_path):
    blocks = [each for each in PAGE.blocks() if "from_environment" in each.text]
    (tmp_path / "report.py").write_text(blocks[0].text)
    with reader(tmp_path, {}) as somebody:
        somebody.environment["STOREKIT_QDB_LIBRARY"] = str(door_path)
        somebody.environment["STOREKIT_QDB"] = "qdb://127.0.0.1:2836"
        assert somebody._do("python report.py put").startswith("[{'item': 'nail', 'sold': 700}")
