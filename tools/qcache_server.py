"""A real QCache server for the tests, the quickstart and the benchmarks.

QCache 0.9.3 is a Python 2.7 program. `ensure_server` installs it once, with all of its
dependencies pinned, into an environment of its own under `.cache/`; `QCacheServer` runs it
on a free port. Nothing but the standard library is needed, on a POSIX system.

    python tools/qcache_server.py build   # install it, print the path of the executable
    python tools/qcache_server.py run     # start one, print its URL, serve until Ctrl-C

Environment variables:

* `STOREKIT_QCACHE_SERVER`: a `qcache` executable to use instead of installing one.
* `STOREKIT_PYTHON27`: the Python 2.7 interpreter to install it for.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import errno
import fcntl
import hashlib
import http.client
import json
import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

__all__ = [
    "QCacheServer",
    "ServerStartError",
    "ServerUnavailable",
    "ensure_server",
    "find_python27",
]

VERSION = "0.9.3"

# The last virtualenv that makes Python 2.7 environments. It embeds the pip that goes in.
VIRTUALENV = "virtualenv==20.15.1"

# The five that decide how the server behaves, then everything they bring along: installed
# without dependency resolution, so that the same server is built every time.
PINS = (
    f"qcache=={VERSION}",
    "pandas==0.20.3",
    "numpy==1.13.3",
    "tornado==5.1.1",
    "lz4==2.1.6",
    "backports-abc==0.5",
    "docopt==0.6.2",
    "future==1.0.0",
    "futures==3.4.0",
    "python-dateutil==3.0.0",
    "pytz==2026.6",
    "singledispatch==3.7.0",
    "six==1.17.0",
    "tzdata==2026.6",
)

_CACHE_DIR = Path(__file__).resolve().parent.parent / ".cache"
_MARKER = "complete.json"

_PROBE_TIMEOUT = 20.0
_STEP_TIMEOUT = 180.0
_INSTALL_TIMEOUT = 900.0
_LOCK_TIMEOUT = 4 * _STEP_TIMEOUT + _INSTALL_TIMEOUT

_START_TIMEOUT = 30.0
_READY_TIMEOUT = 0.5  # of one look: short, so that a dead process is noticed meanwhile
_STOP_TIMEOUT = 5.0
_PORT_ATTEMPTS = 10

_log = logging.getLogger("storekit.tools.qcache_server")


class ServerUnavailable(Exception):
    """There is no QCache server on this machine, and none can be installed. Says why."""


class ServerStartError(RuntimeError):
    """The server is installed but did not start. Holds the tail of its output."""


class _PortTakenError(ServerStartError):
    pass


# -- installing -----------------------------------------------------------------------------


def find_python27() -> Path:
    """Find a Python 2.7 interpreter that runs.

    `STOREKIT_PYTHON27` decides alone if it is set. Otherwise all of `PATH` is searched, then
    the versions that pyenv has installed, newest first. Raises `ServerUnavailable`, which says
    where it looked, if there is none.
    """
    if chosen := os.environ.get("STOREKIT_PYTHON27"):
        if found := _probe_python27(chosen):
            return found
        raise ServerUnavailable(f"STOREKIT_PYTHON27 names no working Python 2.7: {chosen}")

    # Every match on PATH, not the first: pyenv's shims stand in front of the system's
    # interpreters, and fail when the version they stand for is not selected.
    for name in ("python2.7", "python2"):
        for directory in os.get_exec_path():
            if found := _probe_python27(os.path.join(directory, name)):
                return found

    roots = [Path.home() / ".pyenv"]
    if pyenv_root := os.environ.get("PYENV_ROOT"):
        roots.insert(0, Path(pyenv_root))
    for root in roots:
        versions = sorted((root / "versions").glob("2.7*"), key=_version_key, reverse=True)
        for version in versions:
            if found := _probe_python27(str(version / "bin" / "python2.7")):
                return found

    looked_in = ", ".join(str(root / "versions") for root in dict.fromkeys(roots))
    raise ServerUnavailable(
        "No Python 2.7 found for the QCache server: STOREKIT_PYTHON27 is not set, and no working"
        f" python2.7 or python2 is on PATH or in {looked_in}"
    )


def _probe_python27(candidate: str) -> Path | None:
    if shutil.which(candidate) is None:
        return None
    # Its own idea of where it is, because the candidate may be a shim.
    code = "import sys; sys.stdout.write('%d.%d %s' % (sys.version_info[:2] + (sys.executable,)))"
    try:
        result = subprocess.run(
            [candidate, "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_clean_environment(),
            timeout=_PROBE_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version, _, path = os.fsdecode(result.stdout).partition(" ")
    return Path(path) if version == "2.7" and path else None


def _version_key(path: Path) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in path.name.split("."))


def ensure_server(cache_dir: Path | None = None) -> Path:
    """Return the path of the `qcache` executable; install it first if need be.

    It is installed in `qcache-server-0.9.3` below `cache_dir` (default: the repository's
    `.cache`), again when the pins have changed or the place no longer works. Any number of
    processes may call this at once: one installs, the others wait for it. Raises
    `ServerUnavailable` if there is no Python 2.7 or the installation fails.
    """
    if chosen := os.environ.get("STOREKIT_QCACHE_SERVER"):
        if shutil.which(chosen) is None:
            raise ServerUnavailable(f"STOREKIT_QCACHE_SERVER names no executable: {chosen}")
        return Path(chosen).absolute()

    root = (_CACHE_DIR if cache_dir is None else cache_dir).absolute()
    environment = root / f"qcache-server-{VERSION}"
    if executable := _installed(environment):
        return executable

    root.mkdir(parents=True, exist_ok=True)
    with _lock(root / f"{environment.name}.lock") as lock:
        if executable := _installed(environment):
            return executable
        python27 = find_python27()
        _log.info("installing QCache %s in %s", VERSION, environment)
        _remove(environment)
        try:
            _install(environment, python27, lock)
            _write_marker(environment, python27)
        except BaseException:
            _remove(environment)
            raise
        if executable := _installed(environment):
            return executable
        _remove(environment)
        raise ServerUnavailable("The QCache server was installed, but has no executable")


def _digest() -> str:
    return hashlib.sha256("\n".join((VIRTUALENV, *PINS)).encode()).hexdigest()


def _installed(environment: Path) -> Path | None:
    """Return the executable if the environment is complete, ours, and still in working order."""
    try:
        marker = json.loads((environment / _MARKER).read_text("utf-8"))
        usable = (
            marker["pins"] == _digest()
            # The scripts hold absolute paths: a copied or moved environment is of no use.
            and marker["location"] == str(environment)
            # The environment borrows the standard library from this one.
            and Path(marker["python"]).exists()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    executable = environment / "bin" / "qcache"
    return executable if usable and os.access(executable, os.X_OK) else None


def _write_marker(environment: Path, python27: Path) -> None:
    """Declare the environment complete: the last step, in one stroke."""
    content = {"pins": _digest(), "location": str(environment), "python": str(python27)}
    draft = environment / f"{_MARKER}.new"
    draft.write_text(json.dumps(content), "utf-8")
    draft.replace(environment / _MARKER)


def _remove(environment: Path) -> None:
    (environment / _MARKER).unlink(missing_ok=True)  # first: what is left is not complete
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(environment)


def _install(environment: Path, python27: Path, lock: int) -> None:
    with tempfile.TemporaryDirectory(prefix="qcache-server-") as scratch:
        bootstrap = Path(scratch, "bootstrap")
        python3 = str(bootstrap / "bin" / "python")
        python2 = str(environment / "bin" / "python")
        pip_install = ["-m", "pip", "install", "--quiet", "--no-input"]

        _run("python -m venv", [sys.executable, "-m", "venv", str(bootstrap)], lock)
        _run(f"pip install {VIRTUALENV}", [python3, *pip_install, VIRTUALENV], lock)
        # The pip that it embeds is the last for 2.7: no look for a newer one. No state at home.
        command = [python3, "-m", "virtualenv", "--no-download", "--no-periodic-update"]
        command += ["--app-data", str(Path(scratch, "app-data")), "--python", str(python27)]
        _run("virtualenv", [*command, str(environment)], lock)
        _run(
            f"pip install qcache=={VERSION}",
            [python2, *pip_install, "--no-deps", *PINS],
            lock,
            timeout=_INSTALL_TIMEOUT,
        )
        _run("pip check", [python2, "-m", "pip", "check"], lock)


def _run(what: str, command: Sequence[str], lock: int, timeout: float = _STEP_TIMEOUT) -> None:
    """Run one step of the installation.

    The step inherits the lock: should this process be killed, no other one touches the
    environment while an orphaned pip still writes to it.
    """
    # A file, not a pipe: no grandchild that lives on can keep us waiting for its end.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_clean_environment(),
                pass_fds=(lock,),
                process_group=0,
            )
        except OSError as exc:
            raise ServerUnavailable(f"{what} could not be run: {exc}") from exc
        try:
            status = process.wait(timeout)
        except BaseException as exc:
            # pip has children, compilers for instance: end the whole group.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(exc, subprocess.TimeoutExpired):
                message = f"{what} did not end within {timeout:g} s{_tail(output)}"
                raise ServerUnavailable(message) from None
            raise
        if status != 0:
            raise ServerUnavailable(f"{what} failed with status {status}{_tail(output)}")


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[int]:
    """Hold a lock among processes and threads; yields its file descriptor."""
    deadline = time.monotonic() + _LOCK_TIMEOUT
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = f"Another process has held {path} for {_LOCK_TIMEOUT:g} s"
                    raise ServerUnavailable(message) from None
                time.sleep(0.1)
        yield file.fileno()


def _clean_environment() -> dict[str, str]:
    """Return the environment without what is meant for another Python, such as PYTHONPATH."""
    foreign = ("PYTHON", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _tail(output: IO[bytes], size: int = 2000) -> str:
    """Return the end of a child's output, to append to a message."""
    # pread: the child shares the file's position.
    fd = output.fileno()
    start = max(0, os.fstat(fd).st_size - size)
    text = os.pread(fd, size, start).decode("utf-8", "replace").strip()
    return f"; the end of its output:\n{text}" if text else "; it printed nothing"


# -- running --------------------------------------------------------------------------------


class QCacheServer:
    """One QCache server process, as a context manager.

        with QCacheServer(size=10_000_000) as server:
            print(server.url)

    The options:

    * `executable`: the `qcache` to run; installed by `ensure_server` if not given.
    * `port`: the port to listen on; a free one if not given. The server takes it on all
      interfaces, and has no option for that.
    * `size`: how many bytes the cache may hold.
    * `age`: after how many seconds an entry expires; 0 is never.
    * `statistics_buffer_size`: how many values each list of the statistics keeps.
    * `certificate`: a PEM file with the key and the certificate; switches TLS on.
    * `client_ca`: a PEM file; clients must then have a certificate issued by this authority.
    * `basic_auth`: user and password; the server refuses to start if it has no `certificate`.
    * `debug`: error pages have tracebacks.

    Starting raises `ServerUnavailable` if there is no server to run, and `ServerStartError` if
    it does not start.
    """

    def __init__(
        self,
        executable: Path | None = None,
        *,
        port: int | None = None,
        size: int = 1_000_000_000,
        age: int = 0,
        statistics_buffer_size: int = 1000,
        certificate: Path | None = None,
        client_ca: Path | None = None,
        basic_auth: tuple[str, str] | None = None,
        debug: bool = False,
    ) -> None:
        self._executable = executable
        self._port = port
        self._options = [
            f"--size={size}",
            f"--age={age}",
            f"--statistics-buffer-size={statistics_buffer_size}",
        ]
        self._tls = certificate is not None
        if certificate is not None:
            self._options.append(f"--cert-file={certificate}")
        if client_ca is not None:
            self._options.append(f"--ca-file={client_ca}")
        if basic_auth is not None:
            self._options.append(f"--basic-auth={':'.join(basic_auth)}")
        if debug:
            self._options.append("--debug")
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = f"pid {self._process.pid}" if self._process else "not running"
        return f"<QCacheServer port {self._port}, {state}>"

    @property
    def port(self) -> int:
        """The port; it stays the same over restarts."""
        if self._port is None:
            raise RuntimeError("The server has not been started, it has no port yet")
        return self._port

    @property
    def url(self) -> str:
        """The base URL; with TLS that of `localhost`, which certificates are made for."""
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the running process."""
        return self._running().pid

    @property
    def output(self) -> str:
        """What the process that runs now has printed."""
        return self._read_output()

    def start(self) -> Self:
        """Start the server and wait until it answers; on the port it had, if it had one."""
        if self._process is not None:
            raise RuntimeError("The server is running already")
        executable = self._executable or ensure_server()
        if self._port is not None:
            self._launch(executable, self._port)
            return self
        for attempt in range(_PORT_ATTEMPTS):
            port = _free_port()
            try:
                self._launch(executable, port)
            except _PortTakenError:  # by someone else, since we looked
                if attempt == _PORT_ATTEMPTS - 1:
                    raise
            else:
                self._port = port
                break
        return self

    def stop(self) -> None:
        """End the server, if it runs. A suspended one too."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            _log.warning("%r did not end in time: killing it", self)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the server at once, if it runs: connections are reset, nothing is answered."""
        if self._process is None:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._process = None
        _running_servers.discard(self)
        if self._output is not None:
            self._output.close()
            self._output = None

    def restart(self) -> Self:
        """Stop the server, if it runs, and start it again on the same port, empty."""
        self.stop()
        return self.start()

    def suspend(self) -> None:
        """Freeze the server: the system accepts connections for it, nobody answers."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        # Signals are asynchronous: only when this returns will no answer come any more.
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            raise RuntimeError(f"The server died instead of being suspended{self._tail()}")

    def resume(self) -> None:
        """Let a suspended server go on: it answers what has come in meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> int:
        """Wait until the process ends by itself; returns its exit status."""
        return self._running().wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("The server is not running")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        # send_signal does nothing for a process that is known to have ended.
        self._running().send_signal(number)

    def _launch(self, executable: Path, port: int) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - kill() closes it
        try:
            # In our process group: Ctrl-C, a hang-up or a time limit on us ends it as well.
            self._process = subprocess.Popen(
                [executable, f"--port={port}", *self._options],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                env={**_clean_environment(), "PYTHONUNBUFFERED": "1"},
            )
        except OSError as exc:
            self._output.close()
            self._output = None
            raise ServerStartError(f"{executable} could not be run: {exc}") from exc
        _running_servers.add(self)
        try:
            self._wait_until_ready(port)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, port: int) -> None:
        process = self._running()
        ready = _accepts if self._tls else _answers
        deadline = time.monotonic() + _START_TIMEOUT
        while True:
            answered = ready(port)
            # After the look at the port: on a taken one it may have been another's answer.
            status = process.poll()
            if status is not None:
                taken = os.strerror(errno.EADDRINUSE) in self._read_output()
                error = _PortTakenError if taken else ServerStartError
                raise error(f"The server ended with status {status} at its start{self._tail()}")
            if answered:
                return
            if time.monotonic() > deadline:
                raise ServerStartError(
                    f"The server did not answer within {_START_TIMEOUT:g} s{self._tail()}"
                )
            time.sleep(0.02)

    def _read_output(self) -> str:
        if self._output is None:
            return ""
        fd = self._output.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "replace")

    def _tail(self) -> str:
        return _tail(self._output) if self._output is not None else ""


def _free_port() -> int:
    """Find a free port below the range that the system takes outgoing ports from.

    A port from that range (what binding port 0 yields) is unfit for a server that is to be
    stopped and come back: somebody's outgoing connection may sit on it by then, and a client
    that redials the dead server may be connected to itself.
    """
    for _ in range(1000):
        port = random.randrange(15_000, 32_000)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise ServerStartError("No free port found")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_READY_TIMEOUT)
    try:
        connection.request("GET", "/qcache/status")
        response = connection.getresponse()
        return response.status == http.HTTPStatus.OK and response.read() == b"OK"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_READY_TIMEOUT).close()
    except OSError:
        return False
    return True


_running_servers: set[QCacheServer] = set()
_owner = os.getpid()


@atexit.register
def _kill_all() -> None:
    if os.getpid() != _owner:
        return  # a forked child: the servers are its parent's
    for server in list(_running_servers):
        server.kill()


# -- the command ----------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Install and run a real QCache server.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="install it if need be, print the path of the executable")
    run = commands.add_parser("run", help="start one, print its URL, serve until Ctrl-C")
    run.add_argument("--port", type=int, help="default: a free one")
    run.add_argument("--size", type=int, default=1_000_000_000, help="bytes it may hold")
    run.add_argument("--age", type=int, default=0, help="seconds until entries expire, 0: never")
    arguments = parser.parse_args(argv)

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if arguments.command == "build":
            print(ensure_server())
            return 0
        signal.signal(signal.SIGTERM, _exit_on_signal)
        server = QCacheServer(port=arguments.port, size=arguments.size, age=arguments.age)
        with server:
            print(server.url, flush=True)
            return server.wait()
    except KeyboardInterrupt:
        return 0
    except (ServerUnavailable, ServerStartError) as exc:
        print(exc, file=sys.stderr)
        return 1


def _exit_on_signal(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)  # so that the server is stopped on the way out


if __name__ == "__main__":
    sys.exit(main())
