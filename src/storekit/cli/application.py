"""The table of commands, and how errors are reported.

Each command is declared in its module, which is imported when the command is used or listed.
Modules of commands import nothing heavy: clients, polars and rich are imported in the functions
that need them.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from storekit.cli.exits import INTERRUPTED, OK, PIPE_CLOSED, exit_of, explain
from storekit.cli.invocation import Invocation, shared_options
from storekit.cli.output import complain

__all__ = ["COMMANDS", "COMPLETION_VARIABLE", "application", "run"]

COMPLETION_VARIABLE = "_STOREKIT_COMPLETE"
"""The variable that shells set when they ask for completions."""

COMMANDS: dict[str, dict[str, str]] = {
    "Entries": {
        "get": "entries",
        "put": "entries",
        "rm": "entries",
        "ls": "listing",
        "stat": "listing",
        "ttl": "attributes",
        "incr": "attributes",
        "tag": "attributes",
    },
    "Documents": {"upload": "documents", "download": "documents", "docs": "documents"},
    "Tables": {"query": "tables", "post": "tables"},
    "Stores": {"copy": "transfer", "dump": "transfer", "restore": "transfer"},
    "Nodes": {"status": "fleet", "top": "fleet", "ring": "fleet", "bench": "bench"},
    "Service": {"serve": "serving", "doctor": "doctor", "completion": "completion"},
}
"""The module of each command in this package, by heading of the help and name of the command.

The function there is called as the command, followed by an underscore.
"""

_MODULES = {name: module for group in COMMANDS.values() for name, module in group.items()}


class _Application(click.Group):
    """The commands, each imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*_MODULES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        found = getattr(import_module(f"storekit.cli.{module}"), f"{cmd_name}_")
        assert isinstance(found, click.Command)  # noqa: S101 - for type checkers
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = _near(args[0])
            hint = f"; did you mean {near}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in COMMANDS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(
                    [(name, each.get_short_help_str(70)) for name, each in commands if each]
                )


def _near(name: str) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only after a mistake

    return next(iter(get_close_matches(name, [*_MODULES], n=1)), None)


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from storekit._version import __version__  # noqa: PLC0415 - reads metadata

        click.echo(f"storekit {__version__}")
        ctx.exit()


application: click.Group = _Application(
    name="storekit",
    help="Show and change the contents of QuasarDB and QCache.",
    epilog="Exit codes: 0 done, 1 not found, 2 wrong usage, 3 store not reached; "
    "docs/cli.md has the others. Completion: `storekit completion --help`.",
    params=[
        *shared_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show_version,
            help="Show the version.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    subcommand_metavar="COMMAND ...",
)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code. Errors become one line on standard error."""
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete  # noqa: PLC0415 - for shells only

        return shell_complete(application, {}, "storekit", COMPLETION_VARIABLE, instruction)
    invocation = Invocation()
    try:
        with application.make_context("storekit", [*arguments], obj=invocation) as context:
            code: object = application.invoke(context)
            sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        return exit_of(error)
    except (KeyboardInterrupt, click.Abort):
        return complain(invocation, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `head`, has ended. Python must not flush the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:  # noqa: BLE001 - reported here
        if invocation.verbose:
            traceback.print_exc()
        message = explain(error, verbose=invocation.verbose)
        return complain(invocation, message, exit_of(error), error)
    return code if isinstance(code, int) else OK
