"""TLS of a served node."""

import ssl

from storekit.qcache.node.http.listening import CannotServe

__all__ = ["server_tls"]


def server_tls(cert_file: str, key_file: str | None, ca_file: str | None) -> ssl.SSLContext:
    """Return TLS settings. With `ca_file`, clients must have a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _TellingTLS
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password, OpenSSL would prompt for one.
        context.load_cert_chain(cert_file, key_file, password="")
    except OSError as error:  # includes ssl.SSLError
        where = cert_file if key_file is None else f"{cert_file} and {key_file}"
        raise CannotServe(
            f"--cert-file: no usable certificate with its key in {where}: {error}"
        ) from error
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise CannotServe(f"--ca-file: no certificates in {ca_file}: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _TellingTLS(ssl.SSLObject):
    """TLS that sends the client an alert if its certificate is missing or invalid.

    Event loops send pending data when a handshake wants to read, and drop it when the handshake
    fails, so the client would only see a closed connection. So a handshake that failed for that
    reason keeps wanting to read, until the client disconnects or sends more.
    """

    _PATIENCE = 16  # pieces of data

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._failures = getattr(self, "_failures", 0) + 1
            if self._failures > self._PATIENCE or not (
                isinstance(error, ssl.SSLCertVerificationError)
                or error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
            ):
                raise
            raise ssl.SSLWantReadError("the handshake has failed") from error
