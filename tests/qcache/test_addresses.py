"""Which addresses nodes may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.addresses import check_node, host_header


@pytest.mark.parametrize(
    ("address", "host", "port", "header"),
    [
        ("http://127.0.0.1:9401", "127.0.0.1", 9401, b"127.0.0.1:9401"),
        ("HTTP://Host:9401/", "host", 9401, b"host:9401"),
        ("http://host", "host", None, b"host"),
        ("http://host:", "host", None, b"host"),
        ("https://host:8443/proxy/qcache", "host", 8443, b"host:8443"),
        ("http://[::1]:9401", "::1", 9401, b"[::1]:9401"),
        ("http://[2001:DB8::1]", "2001:db8::1", None, b"[2001:db8::1]"),
        ("http://[fe80::1%lo]:9401", "fe80::1%lo", 9401, b"[fe80::1]:9401"),
        ("http://[fe80::1%25lo]:9401", "fe80::1%lo", 9401, b"[fe80::1]:9401"),
        ("http://[fe80::1%25eth%2E0]", "fe80::1%eth.0", None, b"[fe80::1]"),
        ("http://[fe80::1%25]", "fe80::1%25", None, b"[fe80::1]"),  # the zone is number 25
    ],
)
def test_an_address_of_a_node_is_where_it_says(address, host, port, header):
    url = check_node(address)
    assert (url.host.lower(), url.port) == (host, port)
    assert host_header(url).lower() == header
    assert url.path.endswith("/")


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:-1",
        "http://127.0.0.1:+1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:9_401",
        "http://127.0.0.1:\uff19401",
        "http://127.0.0.1:9401 ",
        " http://127.0.0.1:9401",
        "http://127.0.0.1:9401\n",
        "http://127.0.0.1 :9401",
        "http://host\u200b:9401",
        "http://host\u00a0:9401",
        "http://host:9401?a=b",
        "http://host:9401#a",
        "http://host\\:9401",
        "http://[fe80::1%25a/b]:9401",
        "http://[fe80::1%25%0A]:9401",
        "http://[::1:9401",
        "http://:9401",
        "http://host..example:9401",
        "http://.host:9401",
        f"http://{'a' * 64}:9401",
        f"http://{'a.' * 127}a:9401",
        "http://host:9401/..",
        "http://host:9401/a/./b",
        "http:///qcache",
        "ftp://host:9401",
        "host:9401",
        "",
    ],
)
def test_what_is_no_address_is_refused_and_shown(address):
    with pytest.raises(ValueError, match="http://host:9401") as caught:
        check_node(address)
    assert repr(address) in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_refused(text):
    try:
        url = check_node(f"http://{text}")
    except ValueError:
        return
    assert url.host
    assert url.port is None or 0 < url.port < 65536
    assert not any(character.isspace() for character in text)
