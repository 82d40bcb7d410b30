"""What is in `deploy/`, as far as it runs without containers and systemd as the first process."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from storekit.qcache import QClient
from storekit.qcache.node.options import ServeOptions
from tests.node.serving import PYTHON

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICE = (DEPLOY / "storekit-node.service").read_text()
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
PATIENT = {"connect_timeout": 20.0, "read_timeout": 20.0}
PORT = {"STOREKIT_SERVE_PORT": "0"}


def directive(name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", SERVICE, re.MULTILINE)
    return value


def instruction(name: str) -> list[str]:
    (value,) = re.findall(rf"^{name}\b[^\[]*(\[.*\])$", CONTAINERFILE, re.MULTILINE)
    return json.loads(value)


# systemd


def test_systemd_finds_no_fault_in_the_units(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze (Debian: apt install systemd)")
    python = directive("ExecStart").split()[0]
    for name in ("storekit-node.service", "storekit-node.socket"):
        text = (DEPLOY / name).read_text().replace(python, sys.executable)
        (tmp_path / name).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    verified = subprocess.run(
        [analyze, "verify", *units], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def test_the_command_of_the_unit_serves_and_keeps_tables(serving, tmp_path):
    shutil.copy(DEPLOY / "node.toml", tmp_path)
    directories = {
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "STATE_DIRECTORY": str(tmp_path / "state"),
    }
    command = directive("ExecStart")
    for name, path in directories.items():
        command = command.replace(f"${{{name}}}", path)
    program, *options = shlex.split(command)
    assert (program, options[:3]) == (
        "/opt/storekit/bin/python", ["-m", "storekit.qcache", "serve"],
    )  # fmt: skip
    server = serving(*options[3:], listen=(), **PORT)
    with QClient([server.url], **PATIENT) as client:
        client.post("k", b"a\n1\n")
    status, _, log = server.end()
    assert status == 0
    assert "1 tables were written" in log
    assert all(json.loads(line)["level"] == "info" for line in log.splitlines())


def test_the_unit_gives_the_node_the_time_that_it_takes():
    options = ServeOptions()
    longest = options.drain_delay + options.drain_timeout + options.snapshot_timeout
    assert int(directive("TimeoutStopSec")) > longest
    assert directive("Type") == "notify"
    assert int(directive("WatchdogSec")) >= 10


# Containers


def container_environment() -> dict[str, str]:
    (text,) = re.findall(r"^ENV ((?:.*\\\n)*.*)", CONTAINERFILE, re.MULTILINE)
    pairs = shlex.split(text.replace("\\\n", " "))
    return dict(pair.split("=", 1) for pair in pairs)


def test_the_image_starts_a_node_and_asks_how_it_is(serving, tmp_path):
    assert instruction("ENTRYPOINT")[1:] == ["-m", "storekit.qcache", "serve"]
    environment = {**container_environment(), "STOREKIT_SERVE_SNAPSHOT": str(tmp_path)}
    assert environment["STOREKIT_SERVE_HOST"] == "0.0.0.0"
    server = serving(listen=(), **{**environment, **PORT})
    check = instruction("HEALTHCHECK")
    check = [PYTHON, *(part.replace(":8888", f":{server.port}") for part in check[1:])]
    assert subprocess.run(check, check=False).returncode == 0
    server.end()
    assert subprocess.run(check, check=False, stderr=subprocess.PIPE).returncode != 0


@pytest.mark.slow
def test_a_fleet_of_three_goes_on_without_one_and_takes_it_back(serving, tmp_path):
    fleet = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    names = sorted(fleet["services"])
    assert len(names) == 3
    ports = {name: fleet["services"][name]["ports"] for name in names}
    assert all(port.startswith("127.0.0.1:") for (port,) in ports.values())

    def start(name: str, port: str = "0"):
        options = dict(fleet["services"][name]["environment"])
        options["STOREKIT_QCACHE_AUTH"] = "ann:secret"  # which the file takes from outside
        options |= {"STOREKIT_SERVE_SNAPSHOT": str(tmp_path / name), "STOREKIT_SERVE_PORT": port}
        return serving(listen=(), **{**container_environment(), **options})

    nodes = {name: start(name) for name in names}
    urls = [node.url.replace("0.0.0.0", "127.0.0.1") for node in nodes.values()]
    keys = [f"k{number}" for number in range(30)]
    with QClient(urls, auth=("ann", "secret"), **PATIENT) as client:
        for key in keys:
            client.post(key, f"key\n{key}\n".encode())
        assert nodes["node2"].end()[0] == 0
        found = [key for key in keys if client.get(key, {}) is not None]
        assert 0 < len(found) < len(keys)  # those of the node that ended are a miss
        start("node2", str(nodes["node2"].port))
    with QClient(urls, auth=("ann", "secret"), **PATIENT) as client:
        assert [client.get(key, {}).json() for key in keys] == [[{"key": key}] for key in keys]
    by_name = {"host": "node1"}
    with httpx.Client(auth=("ann", "secret"), headers=by_name, trust_env=False) as web:
        assert web.get(f"{urls[0]}/metrics").status_code == 200


def test_the_files_say_what_of_them_was_run():
    for name in ("Containerfile", "compose.yaml"):
        assert "What was run of it" in (DEPLOY / name).read_text()
    listed = set(re.findall(r"^\| `([^`]+)` \|", (DEPLOY / "README.md").read_text(), re.MULTILINE))
    assert listed == {path for path in os.listdir(DEPLOY) if path != "README.md"}
