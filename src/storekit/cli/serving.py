"""The command `serve`: a node of QCache on a port."""

import os
from typing import Never

import click

from storekit.cli.exits import USAGE, CommandError
from storekit.cli.invocation import Invocation

__all__ = ["serve_"]


@click.command(
    "serve",
    short_help="Serve a node of QCache.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def serve_(invocation: Invocation, arguments: tuple[str, ...]) -> None:
    """Serve a node of QCache until SIGINT or SIGTERM.

    `storekit serve --help` lists the options of the node, which has a --config of its own.
    """
    # The options are declared in the node, since `python -m storekit.qcache serve` has them, too.
    from storekit.qcache.node import command  # noqa: PLC0415 - not needed for `--help`
    from storekit.qcache.node.options import read_options  # noqa: PLC0415

    parser = command.parser("storekit serve")

    def refuse(message: str) -> Never:
        raise CommandError(f"{message} (see storekit serve --help)", USAGE)

    parser.error = refuse  # type: ignore[method-assign]
    try:
        namespace = parser.parse_args(arguments)
    except SystemExit as done:  # after --help or --version
        raise click.exceptions.Exit(int(done.code or 0)) from done
    given = {} if invocation.config is None else {"config": invocation.config}
    command.run(read_options({**given, **vars(namespace)}, os.environ))
