# Generated from tests/qcache/_async/test_tls.py by tools/generate_sync.py; do not edit.

"""TLS and passwords, with the real server."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from storekit.qcache import (
    AuthenticationFailed,
    NodeTimeout,
    QClient,
    QClientException,
    TLSFailure,
)
from tests.qcache._sync.real import PATIENT, ROWS, TABLE, large_table
from tests.support.certificates import Certificates
from tests.support.plugin import AUTH_PASSWORD, AUTH_USER
from tools.qcache_server import QCacheServer

# TLS and passwords


def test_tls(
    tls_node: QCacheServer, certificates: Certificates, fresh_key: Callable[[], str]
) -> None:
    table, key = large_table(20_000), fresh_key()
    with QClient([tls_node.url], verify=certificates.ca, **PATIENT) as client:
        client.post(key, table)
        result = client.get(key, {}, accept="text/csv")
    assert result.content == table
    assert len(list(csv.reader(io.StringIO(result.content.decode())))) == 20_001


@pytest.mark.parametrize("verify", [True, "client_ca"])
def test_an_authority_that_is_not_trusted(
    tls_node: QCacheServer, certificates: Certificates, verify: bool | str
) -> None:
    trusted = verify if isinstance(verify, bool) else getattr(certificates, verify)
    with QClient([tls_node.url], verify=trusted, **PATIENT) as client:
        with pytest.raises(TLSFailure, match="check verify=") as caught:
            client.get("key", {})
        assert caught.value.node == tls_node.url
        assert caught.value.reached is False
        assert caught.value.__cause__ is not None


def test_a_name_that_the_certificate_does_not_have(
    tls_node: QCacheServer, certificates: Certificates
) -> None:
    node = f"https://127.0.0.2:{tls_node.port}"
    with QClient([node], verify=certificates.ca, **PATIENT) as client:
        with pytest.raises(TLSFailure):
            client.get("key", {})


def test_verification_can_be_switched_off(tls_node: QCacheServer) -> None:
    with QClient([tls_node.url], verify=False, **PATIENT) as client:
        assert all(client.status().values())


def test_a_context_can_be_given(tls_node: QCacheServer, certificates: Certificates) -> None:
    context = certificates.ssl_context()
    with QClient([tls_node.url], verify=context, **PATIENT) as client:
        assert all(client.status().values())


@pytest.mark.parametrize("form", ["one file", "two files"])
def test_a_client_certificate(
    mutual_tls_node: QCacheServer,
    certificates: Certificates,
    fresh_key: Callable[[], str],
    form: str,
) -> None:
    cert = (
        certificates.client
        if form == "one file"
        else (certificates.client_certificate, certificates.client_key)
    )
    key = fresh_key()
    with QClient([mutual_tls_node.url], verify=certificates.ca, cert=cert, **PATIENT) as client:
        client.post(key, TABLE)
        assert client.get(key, {}).json() == ROWS


def test_a_client_certificate_that_is_missing(
    mutual_tls_node: QCacheServer, certificates: Certificates
) -> None:
    with QClient([mutual_tls_node.url], verify=certificates.ca, **PATIENT) as client:
        with pytest.raises(TLSFailure, match="client certificate"):
            client.get("key", {})
        with pytest.raises(TLSFailure, match="client certificate"):
            client.post("key", TABLE)


def test_plain_http_to_a_node_with_tls(tls_node: QCacheServer) -> None:
    node = f"http://127.0.0.1:{tls_node.port}"
    with QClient([node], **PATIENT) as client:
        with pytest.raises(QClientException) as caught:
            client.get("key", {})
        assert caught.value.node == node


def test_tls_to_a_node_without(qcache_node: QCacheServer) -> None:
    node = f"https://127.0.0.1:{qcache_node.port}"
    with QClient([node], connect_timeout=0.2, verify=False) as client:
        # It waits for an empty line, which one in some hundred random greetings holds.
        with pytest.raises((NodeTimeout, TLSFailure)) as caught:
            client.get("key", {})
        assert caught.value.node == node
        assert caught.value.reached is False


def test_the_right_password(
    auth_node: QCacheServer, certificates: Certificates, fresh_key: Callable[[], str]
) -> None:
    key = fresh_key()
    auth = (AUTH_USER, AUTH_PASSWORD)
    with QClient([auth_node.url], verify=certificates.ca, auth=auth, **PATIENT) as client:
        client.post(key, TABLE)
        assert client.get(key, {}).json() == ROWS
        assert client.statistics()[auth_node.url].error is None
        client.delete(key)
        assert AUTH_PASSWORD not in repr(client)
        assert AUTH_PASSWORD not in repr(vars(client))


@pytest.mark.parametrize("auth", [None, (AUTH_USER, "wr0ng-pass"), ("bob", AUTH_PASSWORD)])
def test_the_wrong_password(
    auth_node: QCacheServer, certificates: Certificates, auth: tuple[str, str] | None
) -> None:
    with QClient([auth_node.url], verify=certificates.ca, auth=auth, **PATIENT) as client:
        errors = []
        with pytest.raises(AuthenticationFailed, match="check auth=") as caught:
            client.get("key", {})
        errors.append(caught.value)
        with pytest.raises(AuthenticationFailed, match="check auth=") as caught:
            client.post("key", TABLE)
        errors.append(caught.value)
        with pytest.raises(AuthenticationFailed, match="check auth=") as caught:
            client.delete("key")
        errors.append(caught.value)
        errors.append(client.status()[auth_node.url].error)
        errors.append(client.statistics()[auth_node.url].error)
        for error in errors:
            assert error.status == 401
            assert_keeps_secret(error, auth[1] if auth else AUTH_PASSWORD)


def test_a_password_is_in_no_error_of_a_dead_node(certificates: Certificates) -> None:
    auth = (AUTH_USER, AUTH_PASSWORD)
    with QClient(["http://127.0.0.1:9"], auth=auth, **PATIENT) as client:
        with pytest.raises(QClientException) as caught:
            client.get("key", {}, query_headers={"X-Secret": AUTH_PASSWORD})
        assert_keeps_secret(caught.value, AUTH_PASSWORD)


def assert_keeps_secret(error: BaseException | None, secret: str) -> None:
    while error is not None:
        assert secret not in str(error)
        assert secret not in repr(error)
        for part in getattr(error, "exceptions", ()):
            assert_keeps_secret(part, secret)
        error = error.__cause__ or error.__context__
