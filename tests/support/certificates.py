"""Throw-away certificates, in the forms that the QCache server and its clients want."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path

import trustme


@dataclasses.dataclass(frozen=True)
class Certificates:
    """Paths of PEM files."""

    ca: Path
    """The authority that issued `server`: what clients trust."""
    server: Path
    """Key and certificate for localhost, 127.0.0.1 and ::1 in one file: `--cert-file`."""
    client_ca: Path
    """The authority that issued `client`, and no other certificate: `--ca-file`."""
    client: Path
    """Key and certificate of a client in one file."""
    client_key: Path
    """The key alone."""
    client_certificate: Path
    """The certificate alone."""

    def ssl_context(self, *, client: bool = False) -> ssl.SSLContext:
        """A client's context that trusts `ca` and, if asked to, shows `client`."""
        context = ssl.create_default_context(cafile=self.ca)
        if client:
            context.load_cert_chain(self.client)
        return context


def write_certificates(directory: Path) -> Certificates:
    """Make new authorities and certificates, and write them to an existing directory."""
    certificates = Certificates(
        ca=directory / "ca.pem",
        server=directory / "server.pem",
        client_ca=directory / "client-ca.pem",
        client=directory / "client.pem",
        client_key=directory / "client-key.pem",
        client_certificate=directory / "client-certificate.pem",
    )
    # Two authorities: a mix-up of what the server and the client trust must not pass.
    ca = trustme.CA()
    ca.cert_pem.write_to_path(certificates.ca)
    server = ca.issue_cert("localhost", "127.0.0.1", "::1")
    server.private_key_and_cert_chain_pem.write_to_path(certificates.server)

    client_ca = trustme.CA()
    client_ca.cert_pem.write_to_path(certificates.client_ca)
    client = client_ca.issue_cert("client@example.org")
    client.private_key_and_cert_chain_pem.write_to_path(certificates.client)
    client.private_key_pem.write_to_path(certificates.client_key)
    (client_certificate,) = client.cert_chain_pems
    client_certificate.write_to_path(certificates.client_certificate)
    return certificates
