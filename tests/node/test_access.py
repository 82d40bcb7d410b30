"""Whose requests a node serves: not those that a page of another site has made a browser send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from storekit.qcache.node.http.access import Access
from storekit.qcache.node.http.requests import Request, Response

from .asking import error_of

WRITES = [
    ("POST", b"/qcache/dataset/k"),
    ("POST", b"/qcache/dataset/k/q"),
    ("DELETE", b"/qcache/dataset/k"),
    ("PUT", b"/qcache/dataset/k"),
    ("GET", b"/qcache/statistics"),
]
READS = [("GET", b"/qcache/dataset/k"), ("GET", b"/qcache/status"), ("HEAD", b"/qcache/status")]


def refusal(
    access: Access,
    host: str | None = "localhost:8888",
    method: str = "POST",
    path: bytes = b"/qcache/dataset/k",
    *,
    listens_on: str | None = "127.0.0.1",
    **headers: str,
) -> Response | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if host is not None:
        named["host"] = host
    return access.refuse(Request(method, path, headers=named), listens_on)


def status(*args: Any, **kwargs: Any) -> int:
    """The status of the refusal; 0 if the request is let in."""
    response = refusal(*args, **kwargs)
    return 0 if response is None else response.status


# Hosts

LOOPBACK = [
    "localhost",
    "localhost:8888",
    "LocalHost:1",
    "localhost.",
    "tables.localhost:8888",
    "127.0.0.1",
    "127.0.0.1:",
    "127.1.2.3:8888",
    "[::1]",
    "[::1]:8888",
    "[0:0:0:0:0:0:0:1]:8888",
    "[::ffff:127.0.0.1]:8888",
]
FOREIGN = [
    "rebound.example",
    "rebound.example:8888",
    "REBOUND.example.",
    "localhost.example",
    "127.0.0.1.example",
    "notlocalhost",
    "192.0.2.1:8888",
    "0.0.0.0:8888",
    "[2001:db8::1]:8888",
    "[::ffff:192.0.2.1]",
    "[::]",
    "127.1",
    "2130706433",
]
MALFORMED = [
    "",
    ":8888",
    "localhost,rebound.example",
    "localhost rebound.example",
    "user@localhost",
    "http://localhost",
    "localhost/",
    "localhost:x",
    "[::1",
    "::1",
    "[localhost]",
    "löcalhost",
]


@pytest.mark.parametrize("host", [*LOOPBACK, None])
@pytest.mark.parametrize(("method", "path"), [*WRITES, *READS])
def test_loopback_is_served(host, method, path):
    assert status(Access(), host, method, path) == 0


@pytest.mark.parametrize(("method", "path"), [*WRITES, *READS, ("GET", b"/nowhere")])
@pytest.mark.parametrize("host", FOREIGN)
def test_other_hosts_are_not_served_whatever_they_ask(host, method, path):
    assert status(Access(), host, method, path) == 421
    own = {"origin": f"http://{host}", "sec_fetch_site": "same-origin"}
    assert status(Access(), host, method, path, **own) == 421


@pytest.mark.parametrize("host", MALFORMED)
def test_what_is_no_host_is_a_bad_request(host):
    assert status(Access(["*"]), host, "GET", b"/qcache/status") == 400


def test_the_refusal_says_what_to_do():
    response = refusal(Access(), "tables.example:8888")
    assert "'tables.example'" in json.loads(response.body)["error"]
    assert "--allow-host" in error_of(response)
    assert "allow_hosts" in error_of(response)


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("tables.example", "Tables.Example:8888"),
        ("TABLES", "tables."),
        ("192.0.2.1", "192.0.2.1:8888"),
        ("2001:db8::1", "[2001:DB8:0::1]:8888"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("fe80::1%eth0", "[fe80::1%eth0]:8888"),
        ("0.0.0.0", "192.0.2.1:8888"),
        ("::", "[2001:db8::1]"),
        ("0.0.0.0", "0.0.0.0:8888"),
        ("*", "rebound.example"),
    ],
)
def test_hosts_that_were_given_are_served(given, host):
    assert status(Access(), host) == 421
    assert status(Access([given]), host) == 0
    assert status(Access(["other.example", given]), host) == 0


def test_all_addresses_are_not_all_names():
    assert status(Access(["0.0.0.0"]), "rebound.example") == 421


@pytest.mark.parametrize(
    ("listens_on", "host"),
    [("192.0.2.1", "192.0.2.1:80"), ("2001:db8::1", "[2001:db8::1]"), ("node", "node")],
)
def test_the_address_at_which_a_request_arrives_is_served(listens_on, host):
    assert status(Access(), host, listens_on=listens_on) == 0
    assert status(Access(), "rebound.example", listens_on=listens_on) == 421


def test_a_server_may_listen_on_no_address():
    assert status(Access(), "localhost", listens_on=None) == 0
    assert status(Access(), "localhost", listens_on="a.sock") == 0
    assert status(Access(), "rebound.example", listens_on=None) == 421


@pytest.mark.parametrize("given", ["", "a:80", "http://a", "a b", "a/", "[::1]:80", "[a]", "a,b"])
def test_a_host_that_is_none_cannot_be_given(given):
    with pytest.raises(ValueError, match="a host is a name or address"):
        Access([given])


# Pages

CROSS_SITE = [
    {"origin": "https://site.example"},
    {"origin": "null"},
    {"origin": "NULL"},
    {"origin": ""},
    {"origin": "http://127.0.0.1"},  # another host than the one that is asked: localhost
    {"origin": "http://localhost.example"},
    {"origin": "http://localhost,https://site.example"},
    {"origin": "file://"},
    {"origin": "chrome-extension://abcdef"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "Cross-Site"},
    {"sec_fetch_site": "same-origin,cross-site"},
    {"sec_fetch_site": "anything"},
    {"origin": "http://localhost:8888", "sec_fetch_site": "cross-site"},
    {"origin": "https://site.example", "sec_fetch_site": "same-origin"},
]
OWN = [
    {},
    {"origin": "http://localhost:8888"},
    {"origin": "HTTP://LOCALHOST:8888"},
    {"origin": "http://localhost:3000"},
    {"origin": "https://localhost"},
    {"origin": "http://localhost:8888", "sec_fetch_site": "same-origin"},
    {"origin": "http://localhost:3000", "sec_fetch_site": "same-site"},
    {"sec_fetch_site": "none"},
    {"sec_fetch_site": " Same-Origin "},
]


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("headers", CROSS_SITE)
def test_pages_of_other_sites_change_nothing(headers, method, path):
    assert status(Access(), "localhost:8888", method, path, **headers) == 403


@pytest.mark.parametrize(("method", "path"), READS)
@pytest.mark.parametrize("headers", CROSS_SITE)
def test_they_may_ask_for_what_they_cannot_read(headers, method, path):
    access = Access()
    assert status(access, "localhost:8888", method, path, **headers) == 0
    origin = headers.get("origin", "https://site.example")
    answer = Response(200)
    assert access.shared(Request(method, path, headers={"origin": origin}), answer) is answer


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize("headers", OWN)
def test_requests_from_no_page_or_one_of_the_same_host_are_served(headers, method, path):
    assert status(Access(), "localhost:8888", method, path, **headers) == 0


def test_the_host_of_a_page_may_be_an_address():
    assert status(Access(), "[::1]:8888", origin="http://[0::1]:8888") == 0
    assert status(Access(), "[::1]:8888", origin="http://[::2]:8888") == 403
    assert status(Access(), "127.0.0.1:8888", origin="http://127.0.0.1") == 0
    assert status(Access(), "127.0.0.1:8888", origin="http://127.0.0.2") == 403


def test_a_page_cannot_do_without_a_host():
    assert status(Access(), None, origin="https://site.example") == 403
    assert status(Access(), None, origin="http://localhost") == 403


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example:8443", "https://app.example:8443"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("null", "null"),
        ("*", "https://site.example"),
    ],
)
def test_pages_of_an_origin_that_was_given_may_change_and_read(given, origin):
    access = Access(origins=["http://other.example", given])
    cross_site = {"origin": origin, "sec_fetch_site": "cross-site"}
    for method, path in WRITES:
        assert status(access, "localhost:8888", method, path, **cross_site) == 0
    request = Request("GET", b"/qcache/dataset/k", headers={"origin": origin})
    headers = dict(access.shared(request, Response(200, (("etag", '"1"'),))).headers)
    assert headers == {
        "etag": '"1"',
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "etag",
        "vary": "origin",
    }


@pytest.mark.parametrize(
    "origin", ["https://app.example:8443", "http://app.example", "https://sub.app.example", "null"]
)
def test_an_origin_is_given_with_scheme_and_port(origin):
    access = Access(origins=["https://app.example"])
    assert status(access, origin=origin) == 403


def test_a_page_that_may_is_told_so_when_its_browser_asks():
    access = Access(origins=["https://app.example"])
    headers = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-qcache-types",
    }
    answer = access.preflight(Request("OPTIONS", b"/qcache/dataset/k", headers=headers))
    assert answer is not None
    assert answer.status == 204
    told = dict(answer.headers)
    assert "POST" in told["access-control-allow-methods"]
    assert told["access-control-allow-headers"] == "content-type,x-qcache-types"
    headers["origin"] = "https://site.example"
    assert access.preflight(Request("OPTIONS", b"/qcache/dataset/k", headers=headers)) is None
    assert access.preflight(Request("OPTIONS", b"/qcache/dataset/k")) is None


@pytest.mark.parametrize("given", ["app.example", "", "https://", "https://a/b", "https://a b"])
def test_an_origin_that_is_none_cannot_be_given(given):
    with pytest.raises(ValueError, match="an origin is SCHEME://HOST"):
        Access(origins=[given])


@pytest.mark.parametrize("option", ["hosts", "origins"])
def test_a_single_text_is_no_list(option):
    with pytest.raises(TypeError, match="must be a list of str"):
        Access(**{option: "localhost"})
    with pytest.raises(TypeError, match="must be a list of str"):
        Access(**{option: [1]})
