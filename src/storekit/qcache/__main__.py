"""`python -m storekit.qcache serve`: a QCache node on a port."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from storekit._extras import require

__all__ = ["main"]

AUTH_VARIABLE = "STOREKIT_QCACHE_AUTH"

_LEVELS = ("debug", "info", "warning", "error")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status: 2 if the server cannot start."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        require("serving a QCache node", "serve", "polars", "uvicorn")
    except ModuleNotFoundError as error:
        return _complain(parser, str(error))
    # Polars and uvicorn: `--help` and mistakes in options do without.
    from storekit.qcache.node.http import serve as server  # noqa: PLC0415
    from storekit.qcache.node.http.access import Access  # noqa: PLC0415
    from storekit.qcache.node.node import Node  # noqa: PLC0415

    try:
        auth = _auth(options)
        if auth is not None and options.cert_file is None and not options.allow_plain_auth:
            raise ValueError(
                "a password without TLS can be read on the way: give --cert-file, "
                "or --allow-plain-auth if something before this server has TLS"
            )
        if options.cert_file is None and (options.ca_file or options.key_file):
            raise ValueError("--ca-file and --key-file need --cert-file")
        node = Node(
            size=options.size,
            age=options.age,
            statistics_buffer_size=options.statistics_buffer_size,
            auth=auth,
            query_timeout=options.query_timeout,
        )
        tls = (
            server.server_tls(options.cert_file, options.key_file, options.ca_file)
            if options.cert_file is not None
            else None
        )
        hosts = [*options.allow_host, options.host]
        Access(hosts, options.allow_origin)
        listener = server.listen(server.Address(options.host, options.port))
    except (ValueError, server.CannotServe) as error:
        return _complain(parser, str(error))
    server.serve(
        node,
        listener,
        tls,
        allow_hosts=hosts,
        allow_origins=options.allow_origin,
        log_level=options.log_level,
        ready=lambda url: print(f"QCache node ready: {url}", flush=True),  # noqa: T201
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m storekit.qcache", description="A QCache node.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="serve")
    serve = commands.add_parser(
        "serve",
        allow_abbrev=False,
        help="serve a node over HTTP",
        description="Serve a QCache node over HTTP until SIGINT or SIGTERM.",
    )
    add = serve.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=8888, help="0 for any that is free (default: %(default)s)")
    add(
        "--size",
        type=_whole_number,
        default=1_000_000_000,
        metavar="BYTES",
        help="what tables may take",
    )
    add("--age", type=_seconds, default=0, metavar="SECONDS", help="when tables expire; 0: never")
    add(
        "--statistics-buffer-size",
        type=_whole_number,
        default=1000,
        metavar="N",
        help="durations to keep",
    )
    add(
        "--query-timeout",
        type=_seconds,
        default=30,
        metavar="SECONDS",
        help="how long a query may take; 0: any time (default: %(default)s)",
    )
    add("--cert-file", metavar="PEM", help="certificate, for TLS; with its key, or see --key-file")
    add("--key-file", metavar="PEM", help="the key of the certificate")
    add("--ca-file", metavar="PEM", help="authority whose certificates clients must have")
    auth = serve.add_mutually_exclusive_group()
    auth.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        help="basic authentication; other users of this machine can see it here, so rather "
        f"set {AUTH_VARIABLE}, or:",
    )
    auth.add_argument("--auth-file", metavar="FILE", help="file with USER:PASSWORD")
    add("--allow-plain-auth", action="store_true", help="take passwords without TLS")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name or address of this node, beside loopback and --host; again for more, "
        "* for all: a web site can make its name stand for this machine",
    )
    add(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="origin of web pages that may use this node, such as https://app.example; again for "
        "more, * for all",
    )
    add("--log-level", choices=_LEVELS, default="warning", help="default: %(default)s")
    return parser


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port < 65536:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 65535, not {text!r}")
    return port


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, not {text!r}") from None


def _auth(options: argparse.Namespace) -> tuple[str, str] | None:
    text: str | None = options.auth
    if options.auth_file is not None:
        try:
            text = Path(options.auth_file).read_text("utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"--auth-file {options.auth_file} cannot be read: {error}") from error
    elif text is None:
        text = os.environ.get(AUTH_VARIABLE)
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not colon or not user or not password:  # none of it is shown: it may be the password
        raise ValueError("the user name and password must be given as USER:PASSWORD")
    return user, password


def _complain(parser: argparse.ArgumentParser, text: str) -> int:
    print(f"{parser.prog} serve: error: {text}", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main())
