"""`python -m storekit.qcache serve`: options, start, stop, TLS, passwords."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import qclient

from storekit.qcache import AuthenticationFailed, QClient, TLSFailure
from storekit.qcache.node.http.listening import Address, listen
from tests.node.serving import fail
from tests.support.certificates import Certificates

PATIENT = {"connect_timeout": 20.0, "read_timeout": 20.0}
TABLE = b"a,b\n1,x\n2,y\n"
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


# Start and stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_in_peace(serving, number):
    server = serving()
    assert re.fullmatch(r"QCache node ready: http://127\.0\.0\.1:\d+\n", server.said)
    with QClient([server.url], **PATIENT) as client:
        client.post("k", TABLE)
        assert client.get("k", {}).json() == ROWS
        # Connections that are kept open do not hold it up.
        assert server.end(number) == (0, "", "")


def test_a_request_that_is_being_served_is_answered_before_the_end(serving):
    server = serving()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/qcache/dataset/k")
    connection.putheader("Content-Length", str(len(TABLE)))
    connection.endheaders(TABLE[:5])
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with httpx.Client(trust_env=False) as web:  # the one before has arrived
        assert web.get(f"{server.url}/qcache/status").text == "OK"
    server.process.send_signal(signal.SIGTERM)
    connection.send(TABLE[5:])
    assert connection.getresponse().status == 201
    connection.close()
    assert server.end()[0] == 0


def test_browsers_are_shown_the_console_unless_told_otherwise(serving):
    with httpx.Client(trust_env=False, headers={"accept": "text/html"}) as web:
        assert "<title>QCache node</title>" in web.get(serving().url).text
        assert web.get(serving("--no-console").url).status_code == 404


def test_it_listens_on_loopback_only_unless_told_otherwise(serving):
    assert serving().url.startswith("http://127.0.0.1:")
    assert serving("--host=0.0.0.0").url.startswith("http://0.0.0.0:")


def test_ipv6(serving):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = serving("--host=::1")
    assert server.url.startswith("http://[::1]:")
    with QClient([server.url], **PATIENT) as client:
        assert client.status()[server.url]


def test_it_has_connections_as_many_as_the_system_lets_it(serving):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))  # what the server inherits
    try:
        server = serving()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with contextlib.ExitStack() as open_ones:
        for _ in range(100):
            web = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            open_ones.callback(web.close)
            web.request("GET", "/qcache/status")
            assert web.getresponse().read() == b"OK"


def test_options_reach_the_node(serving):
    server = serving("--size=1000", "--age=0.000001", "--statistics-buffer-size=3")
    with QClient([server.url], **PATIENT) as client, httpx.Client(trust_env=False) as web:
        assert client.statistics()[server.url].statistics["statistics_buffer_size"] == 3
        client.post("k", b"a\n" + b"1\n" * 300)
        assert client.get("k", {}) is None
        url = f"{server.url}/qcache/dataset/k"
        headers = {"content-type": "text/csv"}
        assert web.post(url, content=b"a\n" + b"1\n" * 600, headers=headers).status_code == 413


# Mistakes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "serve"),
        (("nonsense",), "nonsense"),
        (("serve", "--port=99999"), "0 to 65535"),
        (("serve", "--port=x"), "--port: must be a number from 0 to 65535, not 'x'"),
        (("serve", "--port="), "--port: must be a number from 0 to 65535, not ''"),
        (("serve", "--siz=1"), "--siz"),
        (("serve", "--size=0"), "size must be 1 or more"),
        (("serve", "--size=1G"), "--size: has the unit 'G' in '1G'"),
        (("serve", "--age=-1"), "age must be 0 or more"),
        (("serve", "--age=soon"), "--age: must be a number of seconds, not 'soon'"),
        (("serve", "--query-timeout=x"), "--query-timeout: must be a number of seconds"),
        (("serve", "--statistics-buffer-size=-1"), "0 or more"),
        (("serve", "--statistics-buffer-size=1.5"), "must be a whole number, not '1.5'"),
        (("serve", "--host=no.such.host.invalid"), "--host no.such.host.invalid"),
        (("serve", "--host=192.0.2.1"), "192.0.2.1:8888 can't be used"),
        (("serve", "--allow-host=http://a"), "a host is a name or address"),
        (("serve", "--allow-origin=app.example"), "an origin is SCHEME://HOST"),
        (("serve", "--auth=ann:s3cret"), "--cert-file"),
        (("serve", "--auth=s3cret"), "USER:PASSWORD"),
        (("serve", "--auth=:s3cret", "--allow-plain-auth"), "USER:PASSWORD"),
        (("serve", "--auth-file=/no/such/file"), "--auth-file /no/such/file"),
        (("serve", "--auth=a:b", "--auth-file=f"), "not allowed with"),
        (("serve", "--cert-file=/no/such/file"), "--cert-file"),
        (("serve", "--ca-file=x"), "need --cert-file"),
        (("serve", "--key-file=x"), "need --cert-file"),
        (("serve", "--log-level=loud"), "--log-level"),
    ],
)
def test_a_mistake_is_told_and_nothing_starts(options, words):
    said = fail(*options)
    assert words in said
    assert "s3cret" not in said


def test_a_password_from_the_environment_needs_tls_too():
    said = fail("serve", STOREKIT_QCACHE_AUTH="ann:s3cret")
    assert "--cert-file" in said
    assert "s3cret" not in said


def test_a_port_that_is_taken(serving):
    server = serving()
    assert f"127.0.0.1:{server.port} can't be used" in fail("serve", f"--port={server.port}")


def test_files_that_are_no_certificates(certificates: Certificates, tmp_path: Path):
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    assert "--cert-file" in fail("serve", f"--cert-file={garbage}")
    assert "--cert-file" in fail("serve", f"--cert-file={certificates.client_certificate}")
    good = f"--cert-file={certificates.server}"
    assert "--ca-file" in fail("serve", good, f"--ca-file={garbage}")
    assert "--ca-file" in fail("serve", good, "--ca-file=/no/such/file")


@pytest.mark.parametrize(("package", "extra"), [("polars", "serve"), ("uvicorn", "serve")])
def test_what_is_not_installed_is_told(package, extra):
    code = (
        f"import sys; sys.modules[{package!r}] = None;"
        "from storekit.qcache.__main__ import main; sys.exit(main(['serve']))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"pip install 'storekit[{extra}]'" in done.stderr


def test_help_needs_nothing_heavy():
    code = (
        "import sys; from storekit.qcache.__main__ import main\n"
        "try: main(['serve', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'polars', 'uvicorn', 'anyio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# Small answers, and who gets any


def test_connections_send_small_pieces_at_once():
    async def main() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sock = writer.get_extra_info("socket")
            accepted.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen(Address(port=0))
        async with await asyncio.start_server(accept, sock=listener):
            reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            await reader.read()
            writer.close()
            return await accepted

    assert asyncio.run(main())  # on asyncio's own loop, which does it for TCP sockets alone


@pytest.mark.parametrize("hidden", [[], ["uvloop"]])
def test_a_small_answer_does_not_wait_for_an_acknowledgement(serving, hidden):
    server = serving(hidden=hidden)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    took = []
    for _ in range(30):
        started = time.perf_counter()
        connection.request("GET", "/qcache/status")
        assert connection.getresponse().read() == b"OK"
        took.append(time.perf_counter() - started)
    connection.close()
    # It would be 40 ms, from the time on that the kernel takes this for a conversation.
    assert sorted(took[10:])[10] < 0.03


def test_pages_of_other_sites_get_nothing_and_change_nothing(serving):
    server = serving("--allow-host=tables.example", "--allow-origin=https://app.example")
    cross_site = {"Origin": "https://site.example", "Sec-Fetch-Site": "cross-site"}
    with httpx.Client(trust_env=False, base_url=f"{server.url}/qcache") as web:
        assert web.post("/dataset/k", content=TABLE).status_code == 201
        assert web.post("/dataset/k", content=b"a\n2\n", headers=cross_site).status_code == 403
        assert web.delete("/dataset/k", headers=cross_site).status_code == 403
        assert web.get("/statistics", headers=cross_site).status_code == 403
        rebound = {"Host": f"rebound.example:{server.port}"}
        answer = web.get("/dataset/k?q={}", headers=rebound)
        assert answer.status_code == 421
        assert "rebound.example" in answer.json()["error"]
        given = {"Host": "tables.example", "Accept": "application/json"}
        assert web.get("/dataset/k?q={}", headers=given).json() == ROWS
        allowed = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
        assert web.delete("/dataset/k", headers=allowed).status_code == 200


# TLS and passwords


def test_tls(serving, certificates: Certificates):
    server = serving(f"--cert-file={certificates.server}")
    assert server.url.startswith("https://127.0.0.1:")
    with QClient([server.url], verify=certificates.ca, **PATIENT) as client:
        client.post("k", TABLE)
        assert client.get("k", {}).json() == ROWS
    with pytest.raises(httpx.TransportError), httpx.Client(trust_env=False) as web:
        web.get(server.url.replace("https", "http"))


def test_a_key_of_its_own(serving, certificates: Certificates):
    # Any pair does for a server whose client does not look.
    server = serving(
        f"--cert-file={certificates.client_certificate}", f"--key-file={certificates.client_key}"
    )
    with QClient([server.url], verify=False, **PATIENT) as client:
        assert client.status()[server.url]


def test_no_old_tls(serving, certificates: Certificates):
    server = serving(f"--cert-file={certificates.server}")
    context = certificates.ssl_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(sock, server_hostname="localhost")


def test_client_certificates(serving, certificates: Certificates):
    server = serving(f"--cert-file={certificates.server}", f"--ca-file={certificates.client_ca}")
    with QClient(
        [server.url], verify=certificates.ca, cert=certificates.client, **PATIENT
    ) as client:
        client.post("k", TABLE)
        assert client.get("k", {}).json() == ROWS
    with (
        QClient([server.url], verify=certificates.ca, **PATIENT) as client,
        pytest.raises(TLSFailure, match="client certificate"),
    ):
        client.get("k", {})


@pytest.mark.parametrize("way", ["argument", "file", "environment"])
def test_passwords(serving, tmp_path: Path, way: str):
    path = tmp_path / "password"
    path.write_text("ann:s3:cret\n")
    options, variables = {
        "argument": (["--auth=ann:s3:cret"], {}),
        "file": ([f"--auth-file={path}"], {}),
        "environment": ([], {"STOREKIT_QCACHE_AUTH": "ann:s3:cret"}),
    }[way]
    server = serving("--allow-plain-auth", "--log-level=debug", *options, **variables)
    with QClient([server.url], auth=("ann", "s3:cret"), **PATIENT) as client:
        client.post("k", TABLE)
        assert client.get("k", {}).json() == ROWS
    for auth in (None, ("ann", "wrong")):
        with (
            QClient([server.url], auth=auth, **PATIENT) as client,
            pytest.raises(AuthenticationFailed),
        ):
            client.post("k", TABLE)
    status, _, log = server.end()
    assert status == 0
    assert "s3:cret" not in log


# The other client


def test_qcache_client_can_use_it(serving):
    server = serving()
    client = qclient.QClient([server.url], read_timeout=20, trust_env=False)
    assert client.get("k", {}) is None
    client.post("k", TABLE, post_headers={"X-QCache-types": "b=enum"})
    result = client.get("k", {"where": ["==", "b", "'y'"]})
    assert json.loads(result.content) == ROWS[1:]
    assert result.unsliced_result_len == 1
    assert json.loads(client.get("k", {}, post_query=True).content) == ROWS
    assert client.get("k", {}, accept="text/csv").content == TABLE
    with pytest.raises(qclient.MalformedQueryException):
        client.get("k", {"bad": 1})
    with pytest.raises(qclient.UnexpectedServerResponse):
        client.post("k", TABLE, content_type="text/html")
    client.delete("k")
    loaded = client.query("k", {}, load_fn=lambda: TABLE)
    assert json.loads(loaded.content) == ROWS


def test_qcache_client_can_use_it_with_tls_and_a_password(serving, certificates: Certificates):
    server = serving(f"--cert-file={certificates.server}", STOREKIT_QCACHE_AUTH="ann:s3cret")
    client = qclient.QClient(
        [server.url],
        verify=str(certificates.ca),
        auth=("ann", "s3cret"),
        read_timeout=20,
        trust_env=False,
    )
    client.post("k", TABLE)
    assert json.loads(client.get("k", {}).content) == ROWS
