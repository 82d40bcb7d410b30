"""The harness that the other tests rely on: a real QCache server and what can be done to it."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.plugin import AUTH_PASSWORD, AUTH_USER
from tools import qcache_server
from tools.qcache_server import (
    QCacheServer,
    ServerStartError,
    ServerUnavailable,
    ensure_server,
    find_python27,
)

TIMEOUT = 10.0


def fetch(
    url: str, context: ssl.SSLContext | None = None, auth: tuple[str, str] | None = None
) -> bytes:
    request = urllib.request.Request(url)
    if auth is not None:
        credentials = base64.b64encode(":".join(auth).encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    # No proxies: those of the environment are not meant for us.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return response.read()
    except urllib.error.HTTPError as exc:
        exc.close()
        raise


def status(server: QCacheServer, **options) -> bytes:
    return fetch(f"{server.url}/qcache/status", **options)


def store(server: QCacheServer, key: str) -> None:
    request = urllib.request.Request(
        f"{server.url}/qcache/dataset/{key}",
        data=b"a\n1\n",
        headers={"Content-Type": "text/csv"},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=TIMEOUT) as response:
        assert response.status == 201


def query(server: QCacheServer, key: str) -> bytes:
    return fetch(f"{server.url}/qcache/dataset/{key}?q=%7B%7D")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- a running server -----------------------------------------------------------------------


def test_status(qcache_node):
    assert status(qcache_node) == b"OK"
    assert is_alive(qcache_node.pid)
    assert f"Starting on port {qcache_node.port}" in qcache_node.output


def test_keys_are_fresh(fresh_key):
    assert len({fresh_key() for _ in range(10)}) == 10


def test_comes_back_on_the_same_port_and_empty(start_qcache):
    server = start_qcache()
    url, pid = server.url, server.pid
    store(server, "k")
    assert query(server, "k") == b'[{"a":1}]'

    server.kill()
    server.kill()  # harmless
    assert not is_alive(pid)
    with pytest.raises(urllib.error.URLError) as caught:
        status(server)
    assert isinstance(caught.value.reason, ConnectionRefusedError)
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.pid

    server.start()
    assert server.url == url
    assert status(server) == b"OK"
    pid = server.pid

    server.restart()
    assert server.url == url
    assert server.pid != pid
    with pytest.raises(urllib.error.HTTPError, match="404"):
        query(server, "k")


def test_suspended_server_accepts_and_does_not_answer(start_qcache):
    server = start_qcache()
    server.suspend()
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        connection.sendall(b"GET /qcache/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        server.resume()
        connection.settimeout(TIMEOUT)
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_suspended_server_can_be_stopped(start_qcache):
    server = start_qcache()
    pid = server.pid
    server.suspend()
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 2
    assert not is_alive(pid)


def test_stopped_when_the_block_fails(qcache_executable):
    with pytest.raises(ZeroDivisionError), QCacheServer(qcache_executable) as server:
        pid = server.pid
        raise ZeroDivisionError
    assert not is_alive(pid)


def test_options_reach_the_server(start_qcache):
    server = start_qcache(size=12345, age=67)
    assert "max cache size 12345 bytes, max age 67 seconds" in server.output


def test_stopped_when_the_interpreter_exits(qcache_executable):
    script = f"""
from pathlib import Path
from tools.qcache_server import QCacheServer
server = QCacheServer(Path({str(qcache_executable)!r})).start()
print(server.pid)
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(qcache_server.__file__).parent.parent,
        stdout=subprocess.PIPE,
        timeout=TIMEOUT,
        check=True,
    )
    assert not is_alive(int(result.stdout))


def test_failed_start_says_why(qcache_executable):
    server = QCacheServer(qcache_executable, basic_auth=(AUTH_USER, AUTH_PASSWORD))
    with pytest.raises(ServerStartError, match="TLS must be enabled"):
        server.start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.pid


def test_other_port_when_the_port_is_taken(qcache_executable, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ServerStartError, match="in use"):
            QCacheServer(qcache_executable, port=port).start()

        ports = iter([port, qcache_server._free_port()])
        monkeypatch.setattr(qcache_server, "_free_port", lambda: next(ports))
        with QCacheServer(qcache_executable) as server:
            assert server.port != port
            assert status(server) == b"OK"


# -- TLS and authentication -----------------------------------------------------------------


def test_tls(tls_node, certificates):
    assert tls_node.url == f"https://localhost:{tls_node.port}"
    assert status(tls_node, context=certificates.ssl_context()) == b"OK"
    url = f"https://127.0.0.1:{tls_node.port}/qcache/status"
    assert fetch(url, certificates.ssl_context()) == b"OK"


def test_tls_with_an_unknown_authority(tls_node, certificates):
    context = ssl.create_default_context(cafile=certificates.client_ca)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        status(tls_node, context=context)


def test_client_certificate(mutual_tls_node, certificates):
    assert status(mutual_tls_node, context=certificates.ssl_context(client=True)) == b"OK"


def test_client_certificate_missing(mutual_tls_node, certificates):
    # In which of its steps the client learns of it depends on the version of TLS.
    with pytest.raises(OSError):
        status(mutual_tls_node, context=certificates.ssl_context())


def test_client_certificate_in_two_files(mutual_tls_node, certificates):
    context = certificates.ssl_context()
    context.load_cert_chain(certificates.client_certificate, certificates.client_key)
    assert status(mutual_tls_node, context=context) == b"OK"


def test_basic_auth(auth_node, certificates):
    context = certificates.ssl_context()
    assert status(auth_node, context=context, auth=(AUTH_USER, AUTH_PASSWORD)) == b"OK"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        status(auth_node, context=context)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        status(auth_node, context=context, auth=(AUTH_USER, "wrong"))


# -- installing -----------------------------------------------------------------------------


def test_two_processes_at_once(qcache_executable):
    command = [sys.executable, qcache_server.__file__, "build"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=TIMEOUT)[0] for process in processes]
    assert outputs == [os.fsencode(f"{qcache_executable}\n")] * 2
    assert [process.returncode for process in processes] == [0, 0]


@pytest.fixture
def installations(monkeypatch) -> list[Path]:
    """Replaces the installation with a quick one, and records its calls."""
    calls = []

    def install(environment: Path, python27: Path, lock: int) -> None:
        calls.append(environment)
        environment.joinpath("bin").mkdir(parents=True)
        environment.joinpath("bin", "qcache").touch(mode=0o755)

    monkeypatch.delenv("STOREKIT_QCACHE_SERVER", raising=False)
    monkeypatch.setattr(qcache_server, "find_python27", lambda: Path(sys.executable))
    monkeypatch.setattr(qcache_server, "_install", install)
    return calls


def test_installed_once(installations, tmp_path):
    threads = [threading.Thread(target=ensure_server, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    executable = ensure_server(tmp_path)
    assert executable == tmp_path / "qcache-server-0.9.3" / "bin" / "qcache"
    assert installations == [executable.parent.parent]


def test_installed_again_when_the_pins_change(installations, tmp_path, monkeypatch):
    ensure_server(tmp_path)
    monkeypatch.setattr(qcache_server, "PINS", (*qcache_server.PINS, "more==1"))
    ensure_server(tmp_path)
    ensure_server(tmp_path)
    assert len(installations) == 2


def test_installed_again_when_moved(installations, tmp_path):
    ensure_server(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    ensure_server(tmp_path / "there")
    assert len(installations) == 2


def test_half_an_installation_is_replaced(installations, tmp_path):
    leftover = tmp_path / "qcache-server-0.9.3" / "bin" / "qcache"
    leftover.parent.mkdir(parents=True)
    leftover.touch(mode=0o755)
    ensure_server(tmp_path)
    assert len(installations) == 1


@pytest.mark.parametrize("error", [ServerUnavailable, KeyboardInterrupt])
def test_failed_installation_leaves_nothing(installations, tmp_path, monkeypatch, error):
    def install(environment: Path, python27: Path, lock: int) -> None:
        (environment / "bin").mkdir(parents=True)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(qcache_server, "_install", install)
        with pytest.raises(error):
            ensure_server(tmp_path)
    assert not (tmp_path / "qcache-server-0.9.3").exists()
    ensure_server(tmp_path)
    assert len(installations) == 1


def test_installation_step_that_fails():
    with pytest.raises(ServerUnavailable, match=r"(?s)^step failed with status 1.*no such pip"):
        run_step("import sys; sys.exit('no such pip')")


def test_installation_step_that_hangs():
    code = (
        "import subprocess, sys\n"
        "print('downloading', flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "import time; time.sleep(60)"
    )
    with pytest.raises(ServerUnavailable, match=r"step did not end within 0\.5 s"):
        run_step(code, timeout=0.5)


def run_step(code: str, timeout: float = TIMEOUT) -> None:
    with open(os.devnull, "rb") as lock:
        qcache_server._run("step", [sys.executable, "-c", code], lock.fileno(), timeout)


def test_server_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("STOREKIT_QCACHE_SERVER", str(tmp_path / "qcache"))
    with pytest.raises(ServerUnavailable, match="STOREKIT_QCACHE_SERVER"):
        ensure_server()
    (tmp_path / "qcache").touch(mode=0o755)
    assert ensure_server() == tmp_path / "qcache"


# -- finding Python 2.7 ---------------------------------------------------------------------


def fake_python(path: Path, version: str | None) -> Path:
    """An interpreter that says it has this version; none: a shim of one that is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = f"printf '%s' '{version} {path}'" if version else "echo not selected >&2; exit 127"
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_python(monkeypatch, tmp_path) -> Path:
    monkeypatch.delenv("STOREKIT_PYTHON27", raising=False)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "shims"), str(tmp_path / "bin")]))
    return tmp_path


def test_no_python27(no_python):
    with pytest.raises(ServerUnavailable, match=r"No Python 2\.7 found") as caught:
        find_python27()
    assert str(no_python / "pyenv" / "versions") in str(caught.value)


def test_python27_on_path_behind_a_broken_shim(no_python):
    fake_python(no_python / "shims" / "python2.7", None)
    fake_python(no_python / "shims" / "python2", "2.6")
    expected = fake_python(no_python / "bin" / "python2", "2.7")
    assert find_python27() == expected


def test_newest_python27_of_pyenv(no_python):
    fake_python(no_python / "shims" / "python2.7", None)
    fake_python(no_python / "pyenv" / "versions" / "2.7.9" / "bin" / "python2.7", "2.7")
    expected = no_python / "pyenv" / "versions" / "2.7.18" / "bin" / "python2.7"
    fake_python(expected, "2.7")
    assert find_python27() == expected


def test_python27_of_pyenv_at_home(no_python):
    expected = no_python / "home" / ".pyenv" / "versions" / "2.7.18" / "bin" / "python2.7"
    fake_python(expected, "2.7")
    assert find_python27() == expected


def test_python27_named_by_the_environment(no_python, monkeypatch):
    fake_python(no_python / "bin" / "python2.7", "2.7")
    expected = fake_python(no_python / "mine" / "python", "2.7")
    monkeypatch.setenv("STOREKIT_PYTHON27", str(expected))
    assert find_python27() == expected
    fake_python(expected, "3.11")
    with pytest.raises(ServerUnavailable, match="STOREKIT_PYTHON27"):
        find_python27()
