"""What all commands get: the store, its settings, and the output.

These options may come before or after the name of a command: `storekit --json get KEY` as well
as `storekit get KEY --json`.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from storekit.cli.output import Output

if TYPE_CHECKING:
    from storekit.kit import Settings
    from storekit.observers import Observer

__all__ = ["Invocation", "StoreCommand", "command", "shared_options"]


@dataclass(slots=True)
class Invocation:
    """One run of the command.

    `store` is the URL that was given, `config` the path of a TOML file, `timeout` in seconds.
    """

    store: str | None = None
    config: str | None = None
    timeout: float | None = None
    json: bool = False
    verbose: bool = False
    output: Output = field(init=False)
    _settings: "Settings | None" = field(default=None, init=False, repr=False)  # may have secrets

    def __post_init__(self) -> None:
        """Make the output, which reads `json` from this object."""
        self.output = Output(self)

    def settings(self) -> "Settings":
        """Return the settings of the file given by --config, else of the environment.

        Raises `OSError`, `TypeError` and `ValueError`.
        """
        if self._settings is None:
            self._log()
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                self._settings = self._read()
            for each in warned:
                self.output.note(str(each.message))
        return self._settings

    def _read(self) -> "Settings":
        from storekit.kit import Settings  # noqa: PLC0415 - not needed for `--help`

        if self.config is not None:
            settings = Settings.from_toml(self.config)
        else:
            settings = Settings.from_environment()
        if self.timeout is not None:
            connecting = settings.connect_timeout
            settings = replace(
                settings,
                timeout=self.timeout,
                connect_timeout=min(self.timeout, connecting or self.timeout),
            )
        return settings

    def observers(self) -> "tuple[Observer, ...]":
        """Return the observers of calls: with `--verbose`, one that logs them."""
        if not self.verbose:
            return ()
        from storekit.observers.logs import LoggingObserver  # noqa: PLC0415 - only for `--verbose`

        return (LoggingObserver(),)

    def _log(self) -> None:
        """Show the log with `--verbose`; else only errors are printed, as one line each."""
        import logging  # noqa: PLC0415 - not needed for `--help`

        logger = logging.getLogger("storekit")
        if self.verbose:
            logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
            logger.setLevel(logging.DEBUG)
        elif not logger.handlers:
            logger.addHandler(logging.NullHandler())


class StoreCommand(click.Command):
    """A command with the options of all commands."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - click's signature
        options["params"] = [*(options.get("params") or ()), *shared_options()]
        super().__init__(*args, **options)


def command(name: str, **options: Any) -> Callable[[Callable[..., object]], click.Command]:  # noqa: ANN401
    """Declare a command. Its function gets the `Invocation` first."""

    def declare(function: Callable[..., object]) -> click.Command:
        return click.command(name, cls=StoreCommand, **options)(click.pass_obj(function))

    return declare


def shared_options() -> list[click.Option]:
    """Return the options of all commands."""

    def option(name: str, help_: str, **more: Any) -> click.Option:  # noqa: ANN401
        keep = partial(_keep, name.removeprefix("--"))
        return click.Option([name], expose_value=False, callback=keep, help=help_, **more)

    return [
        option(
            "--store",
            "The store: qdb://HOST:PORT, embedded:PATH, qcache://HOST:PORT. By default, the one of "
            "--config, or of STOREKIT_QDB and STOREKIT_QCACHE.",
            metavar="URL",
        ),
        option(
            "--config",
            "A TOML file with a table [storekit], the settings of a kit. The environment is not "
            "read then.",
            metavar="FILE",
        ),
        option(
            "--timeout",
            "The timeout of each operation.",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
        ),
        option("--json", "Print JSON, one object per line.", is_flag=True),
        option("--verbose", "Show the log of calls, and tracebacks of errors.", is_flag=True),
    ]


def _keep(name: str, ctx: click.Context, _: click.Parameter, value: object) -> None:
    """Store the value of an option. If it is not given here, it may have been given before."""
    if value is None or value is False:
        return
    setattr(ctx.obj, name, value)
