"""What those who run a node see of it: health, log, warnings, its end, the service manager."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from storekit.qcache.node.http.listening import Address, listen
from storekit.qcache.node.options import ServeOptions
from storekit.qcache.node.service.checks import warnings
from storekit.qcache.node.service.systemd import inherited_socket, notify, watchdog_pause
from tests.node.serving import PYTHON, environment
from tests.support.certificates import Certificates

SHOWS = "s3cret"


def web(server) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False, timeout=20)


def half_an_upload(port: int) -> http.client.HTTPConnection:
    """A request that the node has begun to read; the rest of its content is to come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/qcache/dataset/k")
    connection.putheader("Content-Length", "4")
    connection.endheaders(b"a\n")
    return connection


# Health and metrics


def test_health_and_metrics_of_a_served_node(serving):
    server = serving("--allow-plain-auth", STOREKIT_QCACHE_AUTH=f"ann:{SHOWS}")
    with web(server) as client:
        assert (client.get("/health").status_code, client.get("/health").text) == (200, "ready")
        assert client.get("/metrics").status_code == 401
        client.auth = ("ann", SHOWS)
        text = client.get("/metrics").text
        foreign = client.get("/health", headers={"host": "rebound.example"})
        assert foreign.status_code == 421
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"qcache_build_info", "qcache_requests", "process_resident_memory_bytes"} <= names
    assert SHOWS not in text


# The end


def test_while_it_drains_it_says_so_and_goes_on(serving):
    server = serving("--drain-delay=30")
    with web(server) as client:
        assert client.get("/health").text == "ready"
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while (answer := client.get("/health")).status_code == 200:
            assert time.monotonic() < deadline
        assert (answer.status_code, answer.text) == (503, "draining")
        with web(server) as newcomer:  # a balancer that has not looked yet
            assert newcomer.post("/qcache/dataset/k", content=b"a\n1\n").status_code == 201
        metrics = client.get("/metrics").text
        assert "\nqcache_ready 0\n" in metrics
        assert server.process.poll() is None
        status, out, err = server.end()  # told again, it does not wait
        assert (status, out, err) == (0, "", "")


def test_requests_that_do_not_end_are_given_up_in_time(serving):
    server = serving("--drain-timeout=0.5")
    connection = half_an_upload(server.port)
    with web(server) as client:  # the one before has arrived
        assert client.get("/qcache/status").text == "OK"
    started = time.monotonic()
    assert server.end()[0] == 0
    assert time.monotonic() - started < 5
    connection.close()


@pytest.mark.parametrize("option", ["--drain-timeout=-1", "--drain-delay=1e9", "--drain-delay=nan"])
def test_bounds_of_the_end_are_checked(serving, option):
    from tests.node.serving import fail

    assert f"{option.partition('=')[0]} must be 0 to 3600 seconds" in fail("serve", option)


# The log


def test_each_request_is_a_line_without_what_is_secret(serving):
    server = serving("--log-level=info", "--allow-plain-auth", STOREKIT_QCACHE_AUTH=f"ann:{SHOWS}")
    with web(server) as client:
        client.auth = ("ann", SHOWS)
        client.post("/qcache/dataset/k-1", content=b"a\n1\n")
        client.get("/qcache/dataset/k-1?q=%7B%22where%22:%5B%22==%22,%22a%22,4711%5D%7D")
        client.get("/caf\u00e9%0d%0a")
    _, _, log = server.end()
    client_, seconds = r"127\.0\.0\.1:\d+", r"\d+\.\d{6} s"
    assert re.search(
        rf"INFO {client_} POST /qcache/dataset/k-1: 201, 4 bytes in, 0 out, {seconds}$",
        log,
        re.MULTILINE,
    )
    assert re.search(rf"{client_} GET /qcache/dataset/k-1: 200, 0 bytes in, \d+ out,", log)
    assert re.search(rf"{client_} GET /caf%C3%A9%0d%0a: 404, 0 bytes in, \d+ out,", log)
    assert SHOWS not in log
    assert "4711" not in log


def test_a_log_of_json_is_one_object_a_line(serving):
    server = serving("--log-level=info", "--log-format=json", "--host=0.0.0.0")
    with httpx.Client(trust_env=False) as client:
        client.post(f"http://127.0.0.1:{server.port}/qcache/dataset/k", content=b"a\n1\n")
    _, _, log = server.end()
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert lines[0]["level"] == "warning"
    assert "0.0.0.0" in lines[0]["message"]
    (access,) = [line["access"] for line in lines if line["logger"] == "storekit.access"]
    assert access["seconds"] > 0
    assert access.pop("client").startswith("127.0.0.1:")
    del access["seconds"]
    assert access == {
        "method": "POST", "path": "/qcache/dataset/k", "kind": "store", "key": "k",
        "status": 201, "received": 4, "sent": 0,
    }  # fmt: skip


def test_by_default_requests_are_not_logged(serving):
    server = serving()
    with web(server) as client:
        client.get("/health")
    assert server.end()[2] == ""


# Warnings


def warned(tmp: Path, host: str = "127.0.0.1", **options: object) -> list[str]:
    with listen(Address(host, 0)) as listener:
        return list(warnings(ServeOptions(host=host, **options), listener))


def test_a_node_on_loopback_has_nothing_to_warn_of(tmp_path):
    assert warned(tmp_path) == []


def test_open_doors_are_warned_of(tmp_path, certificates: Certificates):
    (said,) = warned(tmp_path, "0.0.0.0")
    assert "everybody who can reach 0.0.0.0" in said
    assert "--auth-file" in said
    assert warned(tmp_path, "0.0.0.0", auth=f"ann:{SHOWS}") == []
    assert warned(tmp_path, "0.0.0.0", ca_file=str(certificates.client_ca)) == []
    for several in ({"allow_host": ("*",)}, {"allow_origin": ("*",)}):
        (said,) = warned(tmp_path, **several)
        assert "any web page" in said


def test_secrets_that_all_can_read_are_warned_of(tmp_path):
    for name, options in {
        "key.pem": {"cert_file": "x", "key_file": "{}"},
        "both.pem": {"cert_file": "{}"},
        "password": {"auth_file": "{}"},
        "node.toml": {"config": "{}"},
    }.items():
        path = tmp_path / name
        path.write_text(f'auth = "ann:{SHOWS}"\n')
        filled = {key: value.format(path) for key, value in options.items()}
        path.chmod(0o640)
        assert warned(tmp_path, **filled) == []
        path.chmod(0o644)
        (said,) = warned(tmp_path, **filled)
        assert "all users of this machine can read" in said
        assert str(path) in said
        assert SHOWS not in said


def test_a_cache_larger_than_the_machine_is_warned_of(tmp_path):
    (said,) = warned(tmp_path, size=2**60)
    assert f"--size is {2**60} bytes" in said


def test_warnings_are_logged_at_the_start(serving):
    server = serving("--host=0.0.0.0")
    assert "WARNING everybody who can reach 0.0.0.0" in server.end()[2]


def test_the_version_is_told():
    for command in (["--version"], ["serve", "--version"]):
        done = subprocess.run(
            [PYTHON, "-m", "storekit.qcache", *command], capture_output=True, text=True, check=True
        )
        assert re.fullmatch(r"storekit \d+\.\d+\.\d+\n", done.stdout)


# The service manager


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_manager_is_told_of_start_life_and_end(serving, tmp_path, kind):
    if kind == "abstract" and not os.path.exists("/proc/self"):
        pytest.skip("abstract names are Linux's")
    place = str(tmp_path / "notify") if kind == "path" else f"@storekit-{os.getpid()}-{id(serving)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(place.replace("@", "\0"))
        manager.settimeout(20)
        server = serving(NOTIFY_SOCKET=place, WATCHDOG_USEC="100000")
        told: list[str] = []
        while told.count("WATCHDOG=1") < 3:
            told += manager.recv(4096).decode().splitlines()
        server.process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in told:
            told += manager.recv(4096).decode().splitlines()
        assert server.end() == (0, "", "")
    assert told.count("READY=1") == 1
    assert f"STATUS=ready: {server.url}" in told


def test_an_event_loop_that_stands_still_feeds_no_watchdog(serving, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        server = serving(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="100000")
        while b"WATCHDOG=1" not in manager.recv(4096):
            pass
        server.process.send_signal(signal.SIGSTOP)
        manager.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                manager.recv(4096)
        server.process.send_signal(signal.SIGCONT)


def test_nobody_who_listens_is_nobody_told(tmp_path):
    for place in ("", "relative", str(tmp_path / "none"), "@none-such"):
        assert not notify("READY=1", environment={"NOTIFY_SOCKET": place})
    assert not notify("READY=1", environment={})


@pytest.mark.parametrize(
    ("variables", "pause"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_the_watchdog_is_fed(variables, pause):
    assert watchdog_pause(variables) == pause


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


def activated(listener: socket.socket, *options: str, count: int = 1) -> subprocess.Popen[str]:
    """A node that is started with a socket as its descriptor 3, as systemd does."""
    command = [PYTHON, "-m", "storekit.qcache", "serve", *options]
    return subprocess.Popen(
        [PYTHON, "-c", ACTIVATE, str(listener.fileno()), str(count), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[listener.fileno()],
        env=environment(),
    )


def test_it_serves_on_the_socket_that_it_is_given():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as early:  # before the node is there
            early.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            process = activated(listener, "--port=1")
            early.settimeout(20)
            answer = b"".join(iter(lambda: early.recv(4096), b""))
            assert answer.endswith(b"ready")
        assert process.stdout is not None
        assert process.stdout.readline() == f"QCache node ready: http://127.0.0.1:{port}\n"
        process.terminate()
        assert process.communicate(timeout=20)[1] == ""
        assert process.returncode == 0
        # The socket is the service manager's: the next node goes on with it.
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_socket_that_is_none_to_serve_on_is_refused(tmp_path):
    with socket.socket() as idle, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "socket"))
        local.listen()
        for listener, count in ((idle, 1), (local, 1), (idle, 2)):
            process = activated(listener, count=count)
            _, said = process.communicate(timeout=20)
            assert process.returncode == 2
            assert "LISTEN_FDS" in said
            assert "Traceback" not in said


def test_sockets_of_another_process_are_left_alone():
    assert inherited_socket({"LISTEN_FDS": "1", "LISTEN_PID": "1"}) is None
    assert inherited_socket({"LISTEN_PID": str(os.getpid())}) is None


def test_systemd_socket_activation():
    activate = shutil.which("systemd-socket-activate")
    if activate is None:
        pytest.skip("there is no systemd-socket-activate (Debian: apt install systemd)")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [activate, "-l", f"127.0.0.1:{port}", PYTHON, "-m", "storekit.qcache", "serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    assert "Listening on" in process.stderr.readline()
    with httpx.Client(trust_env=False, timeout=20) as client:
        assert client.get(f"http://127.0.0.1:{port}/health").text == "ready"
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0
