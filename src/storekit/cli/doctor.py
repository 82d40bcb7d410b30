"""The command `doctor`, which checks the installation and whether the stores can be reached."""

import os
import platform
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storekit.cli.exits import OK, UNREACHABLE, CommandError
from storekit.cli.invocation import Invocation, command
from storekit.cli.output import shown_duration

__all__ = ["Examined", "doctor_"]

_SKEW = 5.0
"""Difference between clocks, in seconds, from which on the wrong expiry of entries is reported."""


@dataclass(frozen=True, slots=True)
class Examined:
    """The result of one check. `state` is "ok", "note" or "bad"."""

    state: str
    what: str
    found: str


@command("doctor", short_help="Check the installation, and whether stores can be reached.")
def doctor_(invocation: Invocation) -> int:
    """Show what is installed, which C library was found and where, and if stores can be reached.

    The exit code is 3 if a store of the settings can't be reached.
    """
    output = invocation.output
    is_bad = False
    for finding in _findings(invocation):
        is_bad = is_bad or finding.state == "bad"
        output.result(state=finding.state, what=finding.what, found=finding.found)
        mark = {"ok": "ok", "note": "--", "bad": "!!"}[finding.state]
        output.line(f"{mark}  {finding.what:13}  {finding.found}")
    return UNREACHABLE if is_bad else OK


def _findings(invocation: Invocation) -> Iterator[Examined]:
    yield from _installation()
    yield from _extras()
    yield _c_library()
    yield _settings(invocation)
    yield from _stores(invocation)


def _installation() -> Iterator[Examined]:
    from storekit._version import __version__  # noqa: PLC0415 - reads metadata

    where = Path(__file__).parents[1]
    yield Examined("ok", "storekit", f"{__version__} in {where}")
    yield Examined("ok", "Python", f"{platform.python_version()}, {sys.executable}")
    yield Examined("ok", "system", platform.platform(terse=True))


def _extras() -> Iterator[Examined]:
    """Check for each extra which packages are installed, in which version."""
    from importlib.metadata import (  # noqa: PLC0415 - reads metadata
        PackageNotFoundError,
        requires,
        version,
    )

    packages: defaultdict[str, list[str]] = defaultdict(list)
    for line in requires("storekit") or ():
        matched = re.match(r"([A-Za-z0-9_.-]+)(\[[^\]]*\])?.*extra == ['\"]([^'\"]+)['\"]", line)
        if matched is not None and "win32" not in line.partition(";")[2].replace("!= 'win32'", ""):
            packages[matched[3]].append(matched[1])
            if matched[2] is not None and matched[1] != "storekit":  # such as anyio[trio]
                packages[matched[3]].append(matched[2].strip("[]"))
    for extra, names in packages.items():
        if extra == "all":
            continue
        found, missing = [], []
        for name in dict.fromkeys(names):
            if name == "storekit":
                continue
            try:
                found.append(f"{name} {version(name)}")
            except PackageNotFoundError:
                missing.append(name)
        if missing:
            hint = f"no {', '.join(missing)}: pip install 'storekit[{extra}]'"
            yield Examined("note", extra, hint)
        elif found:
            yield Examined("ok", extra, ", ".join(found))


def _c_library() -> Examined:
    from storekit.qdb.capi.library import (  # noqa: PLC0415 - loads cffi
        LibraryUnavailable,
        load_library,
    )

    try:
        library = load_library()
    except LibraryUnavailable as error:
        return Examined("note", "C library", str(error))
    return Examined("ok", "C library", f"{library.version}, found {library.origin}: {library.path}")


def _settings(invocation: Invocation) -> Examined:
    if invocation.config is not None:
        invocation.settings()  # raises if they are wrong
        return Examined("ok", "settings", f"from the file {invocation.config}")
    names = sorted(name for name in os.environ if name.startswith("STOREKIT_"))
    invocation.settings()
    if not names:
        return Examined("note", "settings", "none: no --config, and no variable STOREKIT_...")
    return Examined("ok", "settings", f"from {', '.join(names)}")  # values may be secret


def _stores(invocation: Invocation) -> Iterator[Examined]:
    from storekit.cli.nodes import QCacheNodes, QuasarDBNodes  # noqa: PLC0415 - not for `--help`
    from storekit.cli.stores import named_stores  # noqa: PLC0415
    from storekit.errors import StoreKitError  # noqa: PLC0415

    try:
        names = named_stores(invocation)
    except CommandError as error:
        yield Examined("note", "stores", str(error))
        return
    for name in names:
        try:
            if name == "QuasarDB":
                with QuasarDBNodes.opened(invocation) as nodes:
                    figures = nodes.figures()
            else:
                with QCacheNodes.opened(invocation) as ring:
                    figures = ring.figures()
        except StoreKitError as error:
            yield Examined("bad", name, str(error))
            continue
        for node in figures:
            if not node.ok:
                yield Examined("bad", name, node.error or "out")
                continue
            answer = "" if node.seconds is None else f" in {shown_duration(node.seconds)}"
            version = "" if node.version is None else f", {node.version}"
            yield Examined("ok", name, f"{node.node} answers{answer}{version}")
            if node.skew is not None:
                yield _clock(node.node, node.skew)


def _clock(node: str, skew: float) -> Examined:
    """Compare the clock of a node, by which entries expire, with the local one."""
    seconds = f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the local one"
    if abs(skew) < _SKEW:
        exact = "agrees with the local one" if abs(skew) < 1 else f"is {seconds}"
        return Examined("ok", "clock", f"that of {node} {exact}")
    return Examined("note", "clock", f"that of {node} is {seconds}: entries expire at wrong times")
