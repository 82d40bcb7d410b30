"""The command that serves a node: options, then a server until it is told to end.

`python -m storekit.qcache serve` and `storekit serve` are this.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from storekit._extras import require
from storekit.qcache.node.options import ServeOptions, add_options, read_options

__all__ = ["main", "parser", "run"]

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
    from storekit.qcache.node.http import serve as server  # noqa: PLC0415
    from storekit.qcache.node.http.access import Access  # noqa: PLC0415
    from storekit.qcache.node.node import Node  # noqa: PLC0415

    node = Node(
        size=options.size,
        age=options.age,
        statistics_buffer_size=options.statistics_buffer_size,
        auth=options.credentials(),
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
    server.serve(
        node,
        listener,
        tls,
        allow_hosts=hosts,
        allow_origins=options.allow_origin,
        log_level=options.log_level,
        ready=lambda url: print(f"QCache node ready: {url}", flush=True),  # noqa: T201
    )
