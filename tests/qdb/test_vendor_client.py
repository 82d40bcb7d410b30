"""The vendor's own Python client works with our library in the place of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.qdb.libraries import unavailable

PROGRAM = """
from datetime import datetime, timedelta, timezone

import quasardb

assert quasardb.build().startswith("storekit "), quasardb.build()
cluster = quasardb.Cluster("qdb://127.0.0.1:2836")

blob = cluster.blob("blob")
blob.put(b"one")
assert blob.get() == b"one"
blob.update(b"two")
assert blob.get_and_update(b"three") == b"two"
assert blob.compare_and_swap(b"four", b"no") == b"three"
assert blob.compare_and_swap(b"four", b"three") == b""
try:
    blob.put(b"again")
except quasardb.AliasAlreadyExistsError as exc:
    assert "already exists" in str(exc)
else:
    raise AssertionError("put succeeded twice")

expiry = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1)
blob.expires_at(expiry)
assert blob.get_expiry_time() == expiry
assert blob.get_metadata().size == 4

assert blob.attach_tag("tag")
assert not blob.attach_tag("tag")
assert blob.has_tag("tag")
assert list(blob.get_tags()) == ["tag"]
assert list(cluster.tag("tag").get_entries()) == ["blob"]
assert blob.detach_tag("tag")

integer = cluster.integer("integer")
integer.put(40)
assert integer.add(2) == integer.get() == 42
double = cluster.double("double")
double.put(1.5)
assert double.add(1) == 2.5
string = cluster.string("string")
string.put("h\\u00e9")
assert string.get() == "h\\u00e9"
moment = cluster.timestamp("timestamp")
moment.put(datetime(2020, 1, 1, tzinfo=timezone.utc))
assert moment.get() == datetime(2020, 1, 1, tzinfo=timezone.utc)

assert cluster.prefix_get("b", 10) == ["blob"]
assert cluster.suffix_get("ng", 10) == ["string"]
assert cluster.prefix_count("nothing") == 0
assert cluster.node_status("qdb://127.0.0.1:2836")["entries"]["resident"]["count"] >= 5
assert cluster.endpoints() == ["127.0.0.1:2836"]

blob.remove()
try:
    blob.get()
except quasardb.AliasNotFoundError:
    pass
else:
    raise AssertionError("it is still there")
cluster.purge_all(timedelta(seconds=10))
assert cluster.prefix_count("integer") == 0
cluster.close()
print("done")
"""


CLIENTS = os.environ.get("STOREKIT_QDB_CLIENTS", "")
"""A directory with the vendor's clients of other versions, unpacked: 3.13.7/quasardb/..."""

VERSIONS = sorted(os.listdir(CLIENTS)) if CLIENTS else [""]


def run_on(door_path: Path, client: Path | None = None) -> None:
    # Its extension looks beside itself, but what this variable says comes before.
    environment = {**os.environ, "LD_LIBRARY_PATH": str(door_path.parent)}
    if client is not None:
        environment["PYTHONPATH"] = str(client)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_vendor_client_on_our_library(door_path: Path):
    if importlib.util.find_spec("quasardb") is None:
        unavailable("the package quasardb is not installed")
    run_on(door_path)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_earlier_client_on_our_library(door_path: Path, version: str, tmp_path: Path):
    if not version:
        pytest.skip("STOREKIT_QDB_CLIENTS names no directory; `nox -s tests` gets the clients")
    shutil.copytree(Path(CLIENTS, version), tmp_path / version)
    shutil.copy(door_path, tmp_path / version / "quasardb" / door_path.name)
    run_on(door_path, tmp_path / version)
