"""Errors of this machine, told from those of a server."""

import errno
import gc
import os
import resource
import socket
import threading
from contextlib import contextmanager

import httpx
import pytest

from storekit.core._sync.transport import HTTPTransport
from storekit.core.shortage import raise_shortage, shortage, shortages_raised
from storekit.core.tls import create_tls_context
from storekit.errors import OutOfResources
from storekit.qcache import QClient

NUMBERS = ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EADDRNOTAVAIL"]


def _os_error(name):
    return OSError(getattr(errno, name), os.strerror(getattr(errno, name)))


@pytest.mark.parametrize("name", NUMBERS)
def test_an_error_of_the_system_says_what_is_missing(name):
    assert name in shortage(_os_error(name))


def test_a_thread_that_cannot_be_started_is_a_shortage():
    assert "threads" in shortage(RuntimeError("can't start new thread"))


def test_a_resolver_without_memory_is_a_shortage():
    assert "memory" in shortage(socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        TimeoutError(),
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        RuntimeError("dictionary changed size during iteration"),
        ValueError("EMFILE"),
    ],
)
def test_other_errors_are_none(error):
    assert shortage(error) is None


def test_the_cause_of_an_error_may_be_a_shortage():
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError("several")
    error.__cause__.__cause__ = ExceptionGroup("several", [_os_error("EMFILE")])
    assert "EMFILE" in shortage(error)


def test_one_address_that_refused_tells_of_the_server():
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    group = ExceptionGroup("two addresses", [_os_error("EADDRNOTAVAIL"), refused])
    assert shortage(group) is None


def test_the_error_says_what_failed_and_keeps_its_cause():
    cause = _os_error("EMFILE")
    with pytest.raises(OutOfResources, match="could not connect to a: too many open files") as got:
        raise_shortage(cause, "connect to a")
    assert got.value.__cause__ is cause


def test_what_passes_as_a_shortage_stays_what_it_is_otherwise():
    with pytest.raises(ConnectionResetError), shortages_raised("connect to a"):
        raise ConnectionResetError


@contextmanager
def no_descriptors():
    """Let the process have no more open files than now."""
    gc.collect()
    gc.disable()  # what it finds may be an open file, which would be one to be had
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 1, hard))
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    try:
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        gc.enable()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_transport_without_descriptors_says_so(listener, host):
    url = f"http://{host}:{listener.getsockname()[1]}"
    request = httpx.Request("GET", url, extensions={})
    with HTTPTransport() as transport, no_descriptors():  # noqa: SIM117 - which may fail, which not
        with pytest.raises(OutOfResources, match="open files"):
            transport.handle_request(request)


@pytest.mark.parametrize(
    "says",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        OSError(errno.EINVAL, "Invalid argument"),  # how glibc's EAI_SYSTEM comes now and then
    ],
)
def test_whatever_the_resolver_says_without_descriptors(listener, monkeypatch, says):
    parse = socket.getaddrinfo

    def fail(*args, flags=0, **kwargs):
        if flags & socket.AI_NUMERICHOST:
            return parse(*args, flags=flags, **kwargs)
        raise says

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    request = httpx.Request("GET", f"http://localhost:{listener.getsockname()[1]}", extensions={})
    with HTTPTransport() as transport:
        with no_descriptors(), pytest.raises(OutOfResources, match="open files"):
            transport.handle_request(request)
        with pytest.raises(httpx.ConnectError):  # with descriptors, it is what the resolver says
            transport.handle_request(request)


def test_certificates_that_cannot_be_opened_for_lack_of_descriptors_are_not_blamed(tmp_path):
    (tmp_path / "authorities.pem").write_text("")
    with no_descriptors(), pytest.raises(OutOfResources, match="open files"):
        create_tls_context(str(tmp_path / "authorities.pem"))


class _Foreign(httpx.BaseTransport):
    """Fails as a transport of httpx's does in a process without descriptors."""

    def __init__(self):
        self.calls = 0

    def handle_request(self, request):
        self.calls += 1
        raise httpx.ConnectError("All connection attempts failed") from _os_error("EMFILE")


@pytest.mark.parametrize("operation", ["get", "post"])
def test_a_shortage_is_asked_of_no_other_node_and_takes_none_out(operation):
    transport = _Foreign()
    with QClient(["http://a:1", "http://b:2"], transport=transport) as client:
        content = {} if operation == "get" else "a\n1\n"
        for calls in (1, 2, 3):
            with pytest.raises(OutOfResources, match="EMFILE"):
                getattr(client, operation)("key", content)
            assert transport.calls == calls
        counts = client.get_statistics().values()
    assert [count.connection_error for count in counts] == [0, 0]


def test_a_name_cannot_be_looked_up_without_threads(listener, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    url = f"http://localhost:{listener.getsockname()[1]}"
    timeouts = {"timeout": {"connect": 5}}
    with HTTPTransport() as transport:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OutOfResources, match="threads"):
            transport.handle_request(httpx.Request("GET", url, extensions=timeouts))
