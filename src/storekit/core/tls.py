"""TLS settings in the forms that requests and httpx take."""

import os
import ssl

import httpx

from storekit.core.shortage import raise_shortage

__all__ = ["Cert", "Verify", "create_tls_context"]

Verify = bool | str | os.PathLike[str] | ssl.SSLContext
Cert = (
    str
    | os.PathLike[str]
    | tuple[str | os.PathLike[str], str | os.PathLike[str]]
    | tuple[str | os.PathLike[str], str | os.PathLike[str], str]
)


def create_tls_context(verify: Verify = True, cert: Cert | None = None) -> ssl.SSLContext:
    """Return a context for client connections.

    `verify` is True for certifi's authorities (or those that `SSL_CERT_FILE` and
    `SSL_CERT_DIR` name), a path to a file or directory of authorities, False for no
    check at all, or a context, which is used unchanged. `cert` is a file with a client
    certificate and its key, or a tuple of certificate file, key file and, if the key is
    encrypted, password.

    Raises `ValueError` when a file can't be read or used, `TypeError` for a `verify` of another
    type, and `OutOfResources` when no file descriptor is left.
    """
    if isinstance(verify, ssl.SSLContext):
        if cert is not None:
            raise ValueError("load the client certificate into the context given as verify")
        return verify
    if not isinstance(verify, bool | str | os.PathLike):
        raise TypeError(f"verify must be a bool, a path or an ssl.SSLContext, not {verify!r}")
    if isinstance(verify, bool):
        context = httpx.create_ssl_context(verify=verify)
    else:
        try:
            directory = os.path.isdir(verify)
            context = ssl.create_default_context(
                cafile=None if directory else verify, capath=verify if directory else None
            )
        except OSError as error:
            raise_shortage(error, "read the certificates")
            raise ValueError(f"verify: no certificates in {os.fspath(verify)!r}") from error
    context.set_alpn_protocols(["http/1.1"])
    if cert is not None:
        _load_certificate(context, cert)
    return context


def _load_certificate(context: ssl.SSLContext, cert: Cert) -> None:
    password = ""  # with None, OpenSSL would ask for it at the terminal
    key: str | os.PathLike[str] | None = None
    if not isinstance(cert, tuple):
        certificate = cert
    elif len(cert) == 2:
        certificate, key = cert
    elif len(cert) == 3:
        certificate, key, password = cert
    else:
        raise ValueError("cert must be a path, or a tuple of certificate, key and password")
    try:
        context.load_cert_chain(certificate, key, password)
    except OSError as error:
        raise_shortage(error, "read the client certificate")
        # ssl.SSLError is an OSError.
        raise ValueError(f"cert: no usable certificate and key in {certificate!r}") from error
