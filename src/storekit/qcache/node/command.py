"""The command that serves a node: options, then a server until it is told to end.

`python -m storekit.qcache serve` and `storekit serve` are this.
"""

import argparse
import logging
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from storekit._extras import require
from storekit.qcache.node.options import ServeOptions, add_options, read_options
from storekit.qcache.node.service import logs
from storekit.qcache.node.service.checks import warnings
from storekit.qcache.node.service.systemd import inherited_socket, notify

if TYPE_CHECKING:
    from storekit.qcache.node.node import Node

__all__ = ["main", "parser", "run"]

_log = logging.getLogger("storekit")

_DESCRIPTION = """\
Serve a QCache node over HTTP until SIGINT or SIGTERM. Options may also be variables of the
environment, such as STOREKIT_SERVE_SIZE, or keys of a TOML file (--config); the command line wins,
then the environment.
"""


def parser(prog: str) -> argparse.ArgumentParser:
    """Return a parser of the options. `prog` is how the command is called in messages."""
    made = argparse.ArgumentParser(prog=prog, description=_DESCRIPTION, allow_abbrev=False)
    made.add_argument("--version", action="version", version=f"storekit {version('storekit')}")
    add_options(made)
    return made


def main(arguments: Sequence[str] | None = None, prog: str = "storekit serve") -> int:
    """Serve a node as the options say; return the exit status: 2 if the server cannot start.

    Mistakes on the command line end in `SystemExit`, as `argparse` has it.
    """
    namespace = parser(prog).parse_args(arguments)
    try:
        options = read_options(vars(namespace), os.environ)
        run(options)
    except (ValueError, ModuleNotFoundError) as error:
        print(f"{prog}: error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def run(options: ServeOptions) -> None:
    """Serve a node until SIGINT or SIGTERM.

    Raises `ValueError` if it can't start, and `ModuleNotFoundError` where the extra is missing.
    """
    require("serving a QCache node", "serve", "polars", "uvicorn")
    # Polars and uvicorn: `--help` and mistakes in options do without.
    from storekit.qcache.node.http.access import Access  # noqa: PLC0415
    from storekit.qcache.node.http.listening import Address, listen, url_of  # noqa: PLC0415
    from storekit.qcache.node.http.serve import serve  # noqa: PLC0415
    from storekit.qcache.node.http.tls import server_tls  # noqa: PLC0415
    from storekit.qcache.node.node import Node  # noqa: PLC0415

    logs.configure(options.log_level, options.log_format)
    node = Node(
        size=options.size,
        age=options.age,
        statistics_buffer_size=options.statistics_buffer_size,
        auth=options.credentials(),
        query_timeout=options.query_timeout,
    )
    tls = (
        server_tls(options.cert_file, options.key_file, options.ca_file)
        if options.cert_file is not None
        else None
    )
    Access([*options.allow_host, options.host], options.allow_origin)
    listener = inherited_socket() or listen(Address(options.host, options.port))
    for warning in warnings(options, listener):
        _log.warning("%s", warning)
    url = url_of(listener, secure=tls is not None)

    def ready() -> None:
        if not node.enter("ready"):
            return
        notify("READY=1", f"STATUS=ready: {url}")
        print(f"QCache node ready: {url}", flush=True)  # noqa: T201

    if options.snapshot is None:
        serve(node, listener, tls, options, ready)
    else:
        _serve_with_tables(node, listener, tls, options, ready)


def _serve_with_tables(
    node: "Node",
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    options: ServeOptions,
    ready: Callable[[], object],
) -> None:
    """Serve at once, read tables meanwhile, and write them at the end."""
    from storekit.qcache.node.http.serve import serve  # noqa: PLC0415
    from storekit.qcache.node.snapshots.snapshot import Snapshot  # noqa: PLC0415

    assert options.snapshot is not None  # noqa: S101 - else nobody calls this
    node.enter("starting")
    snapshot = Snapshot(node, options.snapshot)

    def read() -> None:
        try:
            snapshot.read()
        except Exception:  # noqa: BLE001 - logged; what was read is there
            _log.exception("the snapshot could not be read to its end")
        ready()

    reading = threading.Thread(target=read, name="qcache-snapshot", daemon=True)
    has_drained = serve(node, listener, tls, options, reading.start)
    snapshot.stop_reading()
    if reading.ident is not None:
        reading.join()
    if has_drained:
        snapshot.write(options.snapshot_timeout)
