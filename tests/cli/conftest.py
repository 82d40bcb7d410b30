from __future__ import annotations

import io
import json
import logging
import os
import sys
from dataclasses import dataclass

import pytest

from storekit.cli import main
from storekit.qdb import RawClient
from storekit.qdb.capi.library import ENVIRONMENT
from tests.cli.serving import serving
from tests.qdb.libraries import ports


@dataclass
class Ran:
    code: int
    out: bytes
    err: str

    @property
    def text(self):
        return self.out.decode()

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def json(self):
        """Each line of the output as JSON, the only one by itself."""
        found = [json.loads(line) for line in self.lines]
        return found[0] if len(found) == 1 else found


@pytest.fixture
def run(capfdbinary, monkeypatch):
    """Run a command line in this process."""

    def run_command(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main([str(each) for each in arguments])
        captured = capfdbinary.readouterr()
        return Ran(code, captured.out, captured.err.decode())

    return run_command


@pytest.fixture(scope="module")
def served():
    """The URL, as commands take it, of a node that `storekit serve` serves."""
    with serving() as url:
        yield url.replace("http://", "qcache://").rstrip("/")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Leave the settings of whoever runs the tests out, and what is none but has such a name."""
    for name in [each for each in os.environ if each.startswith("STOREKIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def logs_as_before():
    """Undo what `--verbose` does to a process."""
    yield
    logging.getLogger("storekit").setLevel(logging.NOTSET)


@pytest.fixture
def cluster(door_path, monkeypatch):
    """The URL of an empty store behind the C library, which the environment names.

    The library that `tools/build_qdb_library.py` builds has its stores in this process.
    """
    monkeypatch.setenv(ENVIRONMENT, str(door_path))
    from tools.qdb_library import handles  # of the library, which runs in this process

    node = f"127.0.0.1:{next(ports)}"
    monkeypatch.setenv("STOREKIT_QDB", f"qdb://{node}")
    yield f"qdb://{node}"
    handles._engines.pop(node, None)  # else it keeps all contents till the end


@pytest.fixture
def store_in_file(tmp_path, monkeypatch):
    """The URL of a store in a file, which is there, and which the environment names."""
    url = f"embedded:{tmp_path / 'store.db'}"
    monkeypatch.setenv("STOREKIT_QDB", url)
    with RawClient(url) as client:
        client.exists("a")
    return url


@pytest.fixture
def store(store_in_file):
    """The store that most tests take; some take others, too."""
    return store_in_file
