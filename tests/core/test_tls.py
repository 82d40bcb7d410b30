from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from storekit.core.tls import create_tls_context

PASSWORD = "open-sesame"


@pytest.fixture
def encrypted_key(certificates, tmp_path: Path) -> Path:
    key = serialization.load_pem_private_key(certificates.client_key.read_bytes(), None)
    path = tmp_path / "encrypted.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
    )
    return path


@pytest.fixture
def garbage(tmp_path: Path) -> Path:
    path = tmp_path / "garbage.pem"
    path.write_text("not a certificate")
    return path


def test_the_default_checks_certificate_and_host_name():
    context = create_tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.get_ca_certs()


def test_a_file_of_authorities_is_checked_against_and_nothing_else(certificates):
    context = create_tls_context(str(certificates.ca))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1


def test_verify_false_checks_nothing():
    context = create_tls_context(verify=False)
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


def test_a_context_is_returned_as_it_is():
    context = ssl.create_default_context()
    assert create_tls_context(context) is context


def test_a_context_and_a_certificate_are_one_too_many(certificates):
    with pytest.raises(ValueError, match="context given as verify"):
        create_tls_context(ssl.create_default_context(), certificates.client)


@pytest.mark.parametrize("verify", [None, 1.5, b"/ca.pem", ["ca.pem"]])
def test_verify_of_another_type_is_refused(verify):
    with pytest.raises(TypeError, match="verify must be"):
        create_tls_context(verify)


def test_a_missing_file_of_authorities_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"verify: .*nowhere\.pem"):
        create_tls_context(tmp_path / "nowhere.pem")


def test_a_file_without_authorities_is_named(garbage):
    with pytest.raises(ValueError, match=r"verify: .*garbage\.pem"):
        create_tls_context(garbage)


def test_a_missing_certificate_is_named(certificates, tmp_path):
    with pytest.raises(ValueError, match=r"cert: .*nowhere\.pem"):
        create_tls_context(cert=tmp_path / "nowhere.pem")
    with pytest.raises(ValueError, match=r"cert: .*client-certificate\.pem"):
        create_tls_context(cert=(certificates.client_certificate, tmp_path / "nowhere.pem"))


def test_a_file_without_certificate_or_key_is_named(certificates, garbage):
    with pytest.raises(ValueError, match=r"cert: .*garbage\.pem"):
        create_tls_context(cert=garbage)
    with pytest.raises(ValueError, match=r"cert: .*client-certificate\.pem"):
        create_tls_context(cert=certificates.client_certificate)


def test_the_key_of_another_certificate_is_refused(certificates):
    with pytest.raises(ValueError, match="cert: "):
        create_tls_context(cert=(certificates.client_certificate, certificates.server))


@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_tuple_of_another_size_is_refused(certificates, size):
    with pytest.raises(ValueError, match="tuple"):
        create_tls_context(cert=(certificates.client,) * size)


def test_an_encrypted_key_takes_its_password(certificates, encrypted_key):
    create_tls_context(cert=(certificates.client_certificate, encrypted_key, PASSWORD))


def test_a_wrong_password_is_refused_and_not_shown(certificates, encrypted_key):
    wrong = "wrong-pass-phrase"
    with pytest.raises(ValueError, match="cert: ") as caught:
        create_tls_context(cert=(certificates.client_certificate, encrypted_key, wrong))
    error: BaseException | None = caught.value
    while error is not None:
        assert wrong not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__


def test_nobody_is_asked_for_a_password_that_is_missing(certificates, encrypted_key, capfd):
    with pytest.raises(ValueError, match="cert: "):
        create_tls_context(cert=(certificates.client_certificate, encrypted_key))
    assert capfd.readouterr() == ("", "")
