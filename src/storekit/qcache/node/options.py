"""The options of a served node: on the command line, in the environment, in a TOML file.

Each option is a field of `ServeOptions`, declared once. What is given on the command line wins,
then the environment, then the file. `--allow-host` is `STOREKIT_SERVE_ALLOW_HOST` in the
environment and `allow-host` in the file; what may be given several times is a list in the file,
and separated by commas in the environment.
"""

import argparse
import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from storekit.qcache.node.units import parse_size

__all__ = ["AUTH_VARIABLE", "PREFIX", "ServeOptions", "add_options", "read_options"]

PREFIX = "STOREKIT_SERVE_"
"""Prefix of the variables of options."""

AUTH_VARIABLE = "STOREKIT_QCACHE_AUTH"
"""The variable of `--auth`."""

_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("text", "json")
_LONGEST_DRAIN = 3600
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


# Parsers of options: each takes text, or a value from a TOML file, and returns the value.


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be text, not {value!r}")
    return value


def _port(value: object) -> int:
    port = _whole(value) if str(value).isascii() and str(value).isdecimal() else -1
    if not 0 <= port < 65536:
        raise ValueError(f"must be a number from 0 to 65535, not {value!r}")
    return port


def _whole(value: object) -> int:
    if isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    raise ValueError(f"must be a whole number, not {value!r}")


def _bytes(value: object) -> int:
    if isinstance(value, str):
        return parse_size(value)
    return _whole(value)


def _seconds(value: object) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    raise ValueError(f"must be a number of seconds, not {value!r}")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(f"must be true or false, not {value!r}")
    return text in _TRUE


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return read


@dataclass(frozen=True, slots=True)
class _Form:
    """How an option is read and shown."""

    read: Callable[[object], Any]
    help: str
    metavar: str | None = None
    several: bool = False


def _option(
    default: Any,  # noqa: ANN401 - the type of the field
    read: Callable[[object], Any],
    help: str,  # noqa: A002 - argparse's word
    metavar: str | None = None,
    *,
    several: bool = False,
    show: bool = True,
) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    metadata = {"form": _Form(read, help, metavar, several)}
    return field(default=default, repr=show, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Options of a served node. Sizes are in bytes, times in seconds."""

    host: str = _option("127.0.0.1", _text, "address to listen on")
    port: int = _option(8888, _port, "0 for any that is free")
    size: int = _option(
        1_000_000_000, _bytes, "what tables may take, such as 500000, 2GB or 1.5GiB", "SIZE"
    )
    age: float = _option(0, _seconds, "when tables expire; 0: never", "SECONDS")
    statistics_buffer_size: int = _option(1000, _whole, "durations to keep", "N")
    query_timeout: float = _option(
        30, _seconds, "how long a query may take; 0: any time", "SECONDS"
    )
    cert_file: str | None = _option(
        None, _text, "certificate, for TLS; with its key, or see --key-file", "PEM"
    )
    key_file: str | None = _option(None, _text, "the key of the certificate", "PEM")
    ca_file: str | None = _option(
        None, _text, "authority whose certificates clients must have", "PEM"
    )
    auth: str | None = _option(
        None,
        _text,
        "basic authentication; other users of this machine can see it here, so rather set "
        f"{AUTH_VARIABLE}, or:",
        "USER:PASSWORD",
        show=False,
    )
    auth_file: str | None = _option(None, _text, "file with USER:PASSWORD", "FILE")
    allow_plain_auth: bool = _option(False, _flag, "take passwords without TLS")
    allow_host: tuple[str, ...] = _option(
        (),
        _text,
        "a name or address of this node, beside loopback and --host; again for more, "
        "* for all: a web site can make its name stand for this machine",
        "NAME",
        several=True,
    )
    allow_origin: tuple[str, ...] = _option(
        (),
        _text,
        "origin of web pages that may use this node, such as https://app.example; again for "
        "more, * for all",
        "ORIGIN",
        several=True,
    )
    console: bool = _option(True, _flag, "show the node, its tables and a query box to browsers")
    log_level: str = _option(
        "warning",
        _one_of(*_LEVELS),
        "debug, info, warning or error; info has a line for each request",
        "LEVEL",
    )
    log_format: str = _option(
        "text", _one_of(*_FORMATS), "text, or json: one object a line", "FORMAT"
    )
    drain_delay: float = _option(
        0,
        _seconds,
        "how long to go on when told to end, while /health says so to load balancers",
        "SECONDS",
    )
    drain_timeout: float = _option(10, _seconds, "how long requests then have to end", "SECONDS")
    snapshot: str | None = _option(
        None, _text, "directory for the tables: written at the end, read at the start", "DIR"
    )
    snapshot_timeout: float = _option(
        60, _seconds, "how long tables may be written at the end", "SECONDS"
    )
    config: str | None = _option(
        None, _text, 'TOML file with any of these options, such as size = "2GB"', "FILE"
    )

    def credentials(self) -> tuple[str, str] | None:
        """Return the user name and password that requests must have, None for none.

        `ValueError` if they can't be read, or are malformed.
        """
        text = self.auth
        if self.auth_file is not None:
            try:
                text = Path(self.auth_file).read_text("utf-8").strip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"--auth-file {self.auth_file} cannot be read: {error}") from error
        if text is None:
            return None
        user, colon, password = text.partition(":")
        if not colon or not user or not password:  # not shown, since it may be the password
            raise ValueError("the user name and password must be given as USER:PASSWORD")
        return user, password

    def checked(self) -> Self:
        """Return these options, or raise `ValueError` for options that exclude each other."""
        if self.cert_file is None and (self.ca_file or self.key_file):
            raise ValueError("--ca-file and --key-file need --cert-file")
        if self.auth is not None and self.auth_file is not None:
            raise ValueError("--auth-file: not allowed with --auth")
        has_password = self.auth is not None or self.auth_file is not None
        for name in ("drain_delay", "drain_timeout", "snapshot_timeout"):
            seconds = getattr(self, name)
            if not 0 <= seconds <= _LONGEST_DRAIN:
                raise ValueError(
                    f"{_on_command_line(name)} must be 0 to {_LONGEST_DRAIN} seconds, not {seconds}"
                )
        if has_password and self.cert_file is None and not self.allow_plain_auth:
            self.credentials()  # errors of the password come first
            raise ValueError(
                "a password without TLS can be read on the way: give --cert-file, "
                "or --allow-plain-auth if something before this server has TLS"
            )
        return self


_EXCLUSIVE = ("auth", "auth_file")
"""Options that exclude each other: one of them overrides the other of a lower precedence."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser. Its namespace has those that are given, and no others."""
    for each in fields(ServeOptions):
        form = _form(each)
        if form.read is _flag:
            parser.add_argument(
                _on_command_line(each.name),
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=form.help,
            )
            continue
        default = each.default
        shown = "" if default is None or form.several else f" (default: {default})"
        parser.add_argument(
            _on_command_line(each.name),
            type=_for_argparse(form.read),
            action="append" if form.several else "store",
            metavar=form.metavar or each.name.upper(),
            default=argparse.SUPPRESS,
            help=form.help + shown,
        )


def read_options(given: Mapping[str, Any], environment: Mapping[str, str]) -> ServeOptions:
    """Return the options of a node.

    Args:
        given: Options from the command line, by the names of fields: a namespace that was made
            with `add_options`, as a mapping. Other names are ignored.
        environment: Variables, of which those that begin with `PREFIX` are options.

    Raises:
        ValueError: A value is wrong, or the name of a variable or of a key in the file; the
            message says where.

    """
    variables = _of_environment(environment)
    config = given.get("config", variables.get("config"))
    options = ServeOptions()
    for found in ({} if config is None else _of_file(config), variables, given):
        known = {each.name: found[each.name] for each in fields(options) if each.name in found}
        if known.keys() & set(_EXCLUSIVE):
            known = {**dict.fromkeys(_EXCLUSIVE), **known}
        for each in fields(options):
            if _form(each).several and each.name in known:
                known[each.name] = tuple(known[each.name])
        options = replace(options, **known)
    return options.checked()


def _of_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {f"{PREFIX}{each.name.upper()}": each for each in fields(ServeOptions)}
    names[AUTH_VARIABLE] = names.pop(f"{PREFIX}AUTH")
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        each = names.get(variable)
        if each is not None:
            several = _form(each).several
            value: object = [part.strip() for part in text.split(",")] if several else text
            found[each.name] = _read(each, value, variable)
        elif variable.startswith(PREFIX):
            raise ValueError(f"there is no option {variable}{_meant(variable, names)}")
    return found


def _of_file(config: str) -> dict[str, Any]:
    try:
        content = tomllib.loads(Path(config).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # of TOML, or of UTF-8
        raise ValueError(f"--config {config} cannot be read: {error}") from error
    names = {each.name.replace("_", "-"): each for each in fields(ServeOptions)}
    del names["config"]
    found: dict[str, Any] = {}
    for name, value in content.items():
        each = names.get(name)
        if each is None:
            raise ValueError(f"{config}: there is no option {name!r}{_meant(name, names)}")
        found[each.name] = _read(each, value, f"{config}: {name}")
    return found


def _read(each: Field[Any], value: object, place: str) -> Any:  # noqa: ANN401 - as the field
    form = _form(each)
    try:
        if not form.several:
            return form.read(value)
        if not isinstance(value, list):
            raise ValueError(f"must be a list, not {value!r}")  # noqa: TRY004 - of the file
        return [form.read(part) for part in value]
    except ValueError as error:
        raise ValueError(f"{place} {_without_secret(each, error)}") from error


def _without_secret(each: Field[Any], error: ValueError) -> str:
    return str(error) if each.repr else "must be text"


def _meant(name: str, names: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _for_argparse(read: Callable[[object], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:  # noqa: ANN401 - as the field
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _on_command_line(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _form(each: Field[Any]) -> _Form:
    form: _Form = each.metadata["form"]
    return form
