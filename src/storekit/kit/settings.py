"""Settings of both stores, from arguments, a TOML file or the environment."""

# ruff: noqa: ANN401 - settings are of any type until a client checks them

import contextlib
import difflib
import inspect
import math
import os
import tomllib
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from storekit.kit.urls import parse_qcache, parse_qdb
from storekit.options import PoolLimits, RetryPolicy

__all__ = ["Settings", "session_options"]

_PREFIX = "STOREKIT_"
_DEEPER = "__"

_VARIABLES_OF_OTHERS = (
    "STOREKIT_QDB_LIBRARY",
    "STOREKIT_QCACHE_AUTH",
    "STOREKIT_QCACHE_SERVER",
    "STOREKIT_SERVE_",
)
"""Variables and prefixes that other parts of storekit read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a kit. Times are in seconds.

    Wrong values raise `TypeError` or `ValueError`.

    Attributes:
        qdb: URL of a QuasarDB cluster or embedded store; None for a kit without QuasarDB.
        qcache: URL of QCache nodes; None for a kit without QCache.
        timeout: Limit of a whole operation, with all attempts and pauses; None for no limit.
        connect_timeout: Limit of connecting; None for no limit.
        retry: When and how operations are repeated; None for the default of each client.
        codec: Name of the codec of values in QuasarDB; None for plain pickles.
        qdb_options: More arguments of QuasarDB's clients; `session` and `limits` may be
            mappings.
        qcache_options: More arguments of QCache's clients; `limits` may be a mapping.

    """

    qdb: str | None = "embedded:"
    qcache: str | None = "qcache+embedded:"
    timeout: float | None = 60.0
    connect_timeout: float | None = 10.0
    retry: RetryPolicy | None = None
    codec: str | None = None
    qdb_options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may have secrets
    qcache_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Raise `TypeError` or `ValueError` for wrong values."""
        if self.qdb is not None:
            parse_qdb(self.qdb)
        if self.qcache is not None:
            parse_qcache(self.qcache)
        for name in ("timeout", "connect_timeout"):
            _check_seconds(name, getattr(self, name))
        _check_type("retry", self.retry, RetryPolicy, "a table, or a RetryPolicy")
        _check_type("codec", self.codec, str, "the name of a codec")
        for name, of_client in (("qdb_options", _qdb_names), ("qcache_options", _qcache_names)):
            object.__setattr__(self, name, _options(getattr(self, name), name, of_client))
        if self.codec is not None:
            _check_codec(self.codec, self.qdb_options.get("registry"))

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str], table: str = "storekit") -> Self:
        """Read a table of a TOML file. Its keys are the attributes; `false` means None.

        Raises `OSError`, and `ValueError` that names the file and the key.
        """
        with Path(path).open("rb") as file:
            try:
                content = tomllib.load(file)
            except (ValueError, RecursionError) as error:  # not TOML, or not UTF-8
                raise ValueError(f"{os.fspath(path)}: {error}") from error
        found = content.get(table)
        if not isinstance(found, Mapping):
            raise ValueError(f"{os.fspath(path)} has no table [{table}]")  # noqa: TRY004 - the file is wrong, no argument
        try:
            return cls.from_mapping(found)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)}, [{table}]: {error}") from error

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, prefix: str = _PREFIX
    ) -> Self:
        """Read variables such as `STOREKIT_QDB` and `STOREKIT_RETRY__ATTEMPTS`.

        Two underscores separate the name of a table from that of a setting in it. A value that is
        valid TOML (a number, `true`, an array) is read as TOML, with `false` for None; any other
        value is text.

        Raises `ValueError` that names the variable if its value is wrong, or if its name looks like
        a misspelt setting. Issues a `UserWarning` for other unknown variables with this prefix.
        """
        known = {each.name for each in fields(cls)}
        found: dict[str, Any] = {}
        origins: dict[str, list[str]] = {}
        variables = os.environ if environment is None else environment
        for name, text in sorted(variables.items()):  # a table comes before the settings in it
            path = name.removeprefix(prefix).lower().split(_DEEPER)
            if not name.startswith(prefix) or name.startswith(_VARIABLES_OF_OTHERS):
                continue
            if path[0] not in known:
                _report_unknown(name, prefix, path[0], known)
                continue
            place = found
            for part in path[:-1]:
                place = place.setdefault(part, {})
                if not isinstance(place, dict):
                    raise ValueError(f"{name}: {part} has a value itself, so it is not a table")  # noqa: TRY004 - the text is wrong, no argument
            place[path[-1]] = _value(text)
            origins.setdefault(path[0], []).append(name)
        for setting, names in origins.items():
            try:
                cls.from_mapping({setting: found[setting]})
            except (TypeError, ValueError) as error:
                raise ValueError(f"{', '.join(names)}: {error}") from error
        return cls.from_mapping(found)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """Make settings from plain values. False means None, which TOML lacks.

        Raises `TypeError` and `ValueError`.
        """
        known = {each.name for each in fields(cls)}
        for name in settings:
            if name not in known:
                raise ValueError(
                    f"there is no setting {name!r}; there are {', '.join(sorted(known))}"
                )
        made: dict[str, Any] = {
            name: None if each is False else each for name, each in settings.items()
        }
        if isinstance(made.get("retry"), Mapping):
            made["retry"] = _made(RetryPolicy, made["retry"], "retry")
        return cls(**made)

    def with_changes(self, **changes: Any) -> Self:
        """Return the settings with some of them changed. Raises `TypeError` and `ValueError`."""
        return replace(self, **changes)


def _report_unknown(name: str, prefix: str, setting: str, known: set[str]) -> None:
    """Raise for a variable that looks like a misspelt setting; warn about any other."""
    if near := difflib.get_close_matches(setting, known, n=1, cutoff=0.65):
        raise ValueError(f"{name} is not a setting; did you mean {prefix}{near[0].upper()}?")
    settings = ", ".join(f"{prefix}{each.upper()}" for each in sorted(known))
    warnings.warn(f"{name} is not a setting of storekit; there are {settings}", stacklevel=3)


def _check_seconds(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, or None, not {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be more than 0 seconds and finite, not {value!r}")


def _check_type(name: str, value: object, kind: type, wanted: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be {wanted}, or None, not {value!r}")


def session_options(session: object) -> Any:
    """Return `SessionOptions` for a mapping. Raises `TypeError` and `ValueError`."""
    from storekit.qdb.engine import SessionOptions  # noqa: PLC0415 - loaded only if needed

    return _made(SessionOptions, session, "qdb_options.session")


def _check_codec(name: str, registry: Any) -> None:
    """Raise `ValueError` if the registry of the client, by default storekit's, lacks a codec."""
    from storekit.codecs.registry import CodecRegistry  # noqa: PLC0415 - loaded only if needed

    with contextlib.suppress(ImportError):  # it exists; the client will report what it needs
        (CodecRegistry.default() if registry is None else registry).get(name)


def _options(options: object, name: str, of_client: Callable[[], set[str]]) -> dict[str, Any]:
    if not isinstance(options, Mapping):
        raise TypeError(f"{name} must be a table, not {type(options).__name__}")
    made = {key: tuple(each) if isinstance(each, list) else each for key, each in options.items()}
    if made:
        _check_names(name, made, of_client())
    for key, value in made.items():
        if key.endswith("timeout"):
            _check_seconds(f"{name}.{key}", value)
    if isinstance(made.get("limits"), Mapping):
        made["limits"] = _made(PoolLimits, made["limits"], f"{name}.limits")
    if "session" in made:
        session_options(made["session"])  # raises for wrong options
    return made


def _qdb_names() -> set[str]:
    from storekit.qdb import Client  # noqa: PLC0415 - loaded only if needed
    from storekit.qdb._typing import ClientOptions  # noqa: PLC0415

    names = {*inspect.signature(Client).parameters, *ClientOptions.__annotations__, "session"}
    return names - {"remote_node", "arguments"}


def _qcache_names() -> set[str]:
    from storekit.qcache import QClient  # noqa: PLC0415 - loaded only if needed

    return {*inspect.signature(QClient).parameters} - {"node_list"}


def _check_names(name: str, given: Iterable[str], known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            raise ValueError(
                f"there is no setting {name}.{key}; there are {', '.join(sorted(known))}"
            )


def _made(kind: Any, values: object, name: str) -> Any:
    if not isinstance(values, Mapping):
        raise TypeError(f"{name} must be a table, not {type(values).__name__}")
    _check_names(name, values, [each.name for each in fields(kind)])
    return kind(**values)


def _value(text: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text  # more keys: text of several lines
