"""The location of an embedded store: in memory, in memory with a name, or in a file."""

import os
from dataclasses import dataclass

from storekit.qdb.errors import ErrorCode, error_for

__all__ = ["SCHEME", "Location", "parse_location"]

SCHEME = "embedded:"
_NAMES = ("mode", "durable")
_SWITCH = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class Location:
    """The location of the entries of a store.

    With a `path` they are in that file. With a `name` they are in memory and shared by all
    engines of the process that have the same name. With neither, they are in memory and
    belong to one engine. With `durable`, which needs a file, writes survive a power failure.
    """

    path: str | None = None
    name: str | None = None
    durable: bool = False

    def __str__(self) -> str:
        if self.path is not None:
            return f"{SCHEME}{self.path}{'?' if '?' in self.path else ''}"
        return SCHEME if self.name is None else f"{SCHEME}{self.name}?mode=memory"


def parse_location(text: str) -> Location:
    """Parse `embedded:`, `embedded:NAME?mode=memory` or `embedded:PATH`.

    A path is not quoted; it is made absolute, so that a change of the working directory does
    not change the store. `?durable=true` may follow it. Text after the last question mark that
    does not look like options belongs to the path; if it does look like them, add another
    question mark to the end of the path. Raises `INVALID_ARGUMENT` for anything else.
    """
    if not text.startswith(SCHEME):
        raise error_for(ErrorCode.INVALID_ARGUMENT, f"A location starts with {SCHEME!r}.")
    place = text[len(SCHEME) :]
    rest, mark, query = place.rpartition("?")
    if not mark or not _may_be_options(query):
        rest, query = place, ""
    if "\0" in rest:
        raise error_for(ErrorCode.INVALID_ARGUMENT, "A location can't contain a NUL character.")
    memory, durable = _options(query)
    if memory or not rest:
        if durable:
            raise error_for(
                ErrorCode.INVALID_ARGUMENT,
                "A store in memory can't be durable: give the path of a file, as in "
                "'embedded:PATH?durable=true', or leave durable=true out.",
            )
        return Location(name=rest or None)
    return Location(path=os.path.abspath(rest), durable=durable)


def _options(query: str) -> tuple[bool, bool]:
    memory = durable = False
    named = set()
    for option in query.split("&") if query else ():
        name, _, value = option.partition("=")
        if name in named:
            raise error_for(
                ErrorCode.INVALID_ARGUMENT, f"A location has the option {name!r} twice."
            )
        named.add(name)
        if name == "mode" and value == "memory":
            memory = True
        elif name == "durable" and value in _SWITCH:
            durable = _SWITCH[value]
        else:
            raise error_for(
                ErrorCode.INVALID_ARGUMENT,
                f"Unknown option {option!r} of a location: mode=memory and durable=true exist. "
                "If the '?' belongs to the path of a file, write one more at the end: "
                "'embedded:PATH?'.",
            )
    return memory, durable


def _may_be_options(query: str) -> bool:
    """Return whether a text looks like options, valid or not, rather than part of a path."""
    return not query or "=" in query or query.split("&", maxsplit=1)[0] in _NAMES
