"""Finding and opening the C library, and checking that it fits the bindings.

cffi has no types: its values are `Any`, under the name `CData`.
"""

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storekit.errors import StoreKitError
from storekit.qdb.errors import ErrorCode

__all__ = ["ENVIRONMENT", "CData", "Library", "LibraryUnavailable", "load_library"]

CData = Any
"""A value of cffi: a pointer, a structure, a function of the library."""

ENVIRONMENT = "STOREKIT_QDB_LIBRARY"
"""Environment variable that names the library: a path, or a name for the system's loader."""

_PACKAGE = "quasardb"  # on PyPI; contains the library
_FILE_NAMES = {"darwin": ["libqdb_api.dylib"], "win32": ["qdb_api.dll"]}
_INSTALL = (
    "install it with `pip install 'storekit[quasardb]'`, or name one with the argument `library` "
    f"or the environment variable {ENVIRONMENT}"
)
_NEEDED_WHEN_USED = ("qdb_string_", "qdb_timestamp_", "qdb_query_", "qdb_option_set_")
"""Functions that a library may lack; operations and options that need them raise an error."""
_OLDEST = "3.13.7"
_OPERATION_SIZE = 88  # bytes of a qdb_operation_t in all known versions 3.x
_PATTERN = b"\xaa"


class LibraryUnavailable(StoreKitError):
    """The QuasarDB C library can't be found or used; the message says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """The open library: `lib` has the functions, `ffi` their types."""

    ffi: CData
    lib: CData
    path: str
    origin: str  # where it was found, in words
    version: str
    build: str

    def has(self, name: str) -> bool:
        """Return whether this version has a function."""
        return _has(self.ffi, self.lib, name)


_loaded: dict[str, Library] = {}
_loading = threading.Lock()


def load_library(name: str | os.PathLike[str] | None = None) -> Library:
    """Return the library `name`, or the first one found; it is opened once per process.

    The order is: the argument, the environment variable, the package `quasardb`, the loader
    of the system. If a given library can't be used, that is an error, and the search ends.
    """
    with _loading:
        errors = []
        for path, origin in _candidates(name):
            if path in _loaded:
                return _loaded[path]
            try:
                library = _open(path, origin)
            except OSError as exc:
                if origin != _SYSTEM:
                    raise LibraryUnavailable(
                        f"the QuasarDB C library ({origin}) cannot be opened: {exc}"
                    ) from exc
                errors.append(str(exc))
            else:
                _loaded[path] = library
                return library
        raise LibraryUnavailable(
            f"no QuasarDB C library: the package {_PACKAGE!r} is not installed, and the system "
            f"has none ({'; '.join(errors)}); {_INSTALL}"
        )


_SYSTEM = "by the system's loader"


def _candidates(name: str | os.PathLike[str] | None) -> Iterator[tuple[str, str]]:
    if name is not None:
        yield os.fspath(name), "by argument"
        return
    if named := os.environ.get(ENVIRONMENT):
        yield named, f"by {ENVIRONMENT}"
        return
    file_names = _FILE_NAMES.get(sys.platform, ["libqdb_api.so"])
    # Located without importing it: its extension would load numpy and start to log.
    spec = importlib.util.find_spec(_PACKAGE)
    for directory in (spec and spec.submodule_search_locations) or ():
        for file_name in file_names:
            path = Path(directory, file_name)
            if path.is_file():
                yield str(path), f"in the package {_PACKAGE}"
    for file_name in file_names:
        yield file_name, _SYSTEM


def _open(path: str, origin: str) -> Library:
    try:
        ffi: CData = importlib.import_module("storekit.qdb.capi._bindings").ffi
    except ImportError as exc:
        raise LibraryUnavailable(
            f"the QuasarDB C library is called by cffi, which can't be imported ({exc}): "
            "`pip install 'storekit[quasardb]'` installs both"
        ) from exc
    # Never unloaded: its threads may still run when the interpreter frees it at the end.
    lib = ffi.dlopen(path, ffi.RTLD_NOW | getattr(ffi, "RTLD_NODELETE", 0))
    missing = [
        name
        for name in dir(lib)
        if not name.startswith(_NEEDED_WHEN_USED) and not _has(ffi, lib, name)
    ]
    if missing:
        raise LibraryUnavailable(
            f"{path} {_known_as(ffi, lib)}, and storekit needs {_OLDEST} or later: it lacks "
            f"{', '.join(missing[:5])}{f' and {len(missing) - 5} more' if len(missing) > 5 else ''}"
        )
    version = lib.qdb_version()
    if version == ffi.NULL:
        # The library of tools/qdb_library returns 0 if the interpreter inside did not start.
        raise LibraryUnavailable(f"{path} was opened but did not start")
    text = ffi.string(version).decode()
    if text.partition(".")[0] != "3":
        raise LibraryUnavailable(f"{path} has version {text}; storekit supports 3.x")
    _check_layout(ffi, lib, path)
    build = ffi.string(lib.qdb_build()).decode()
    return Library(ffi=ffi, lib=lib, path=path, origin=origin, version=text, build=build)


def _known_as(ffi: CData, lib: CData) -> str:
    version = lib.qdb_version() if _has(ffi, lib, "qdb_version") else ffi.NULL
    if version == ffi.NULL:
        return "is not a QuasarDB C library"
    return f"is version {ffi.string(version).decode(errors='replace')} of the QuasarDB C library"


def _has(ffi: CData, lib: CData, name: str) -> bool:
    try:
        getattr(lib, name)
    except (AttributeError, ffi.error):
        return False
    return True


def _check_layout(ffi: CData, lib: CData, path: str) -> None:
    """Check that the library has the layout of operations that the bindings describe.

    `qdb_init_operations` is the only function that writes structures without a handle or a
    network. It can't write beyond the memory, which has room for much larger operations.
    """
    count = 2
    room = ffi.new("char[]", _PATTERN * (16 * _OPERATION_SIZE))
    operations = ffi.cast("qdb_operation_t *", room)
    code = lib.qdb_init_operations(operations, count)
    used = count * ffi.sizeof("qdb_operation_t")
    as_expected = (
        code == ErrorCode.OK
        and ffi.sizeof("qdb_operation_t") == _OPERATION_SIZE
        and all(
            operations[i].type == -1
            and operations[i].alias == ffi.NULL
            and operations[i].error & 0xFFFFFFFF == ErrorCode.UNINITIALIZED
            for i in range(count)
        )
        and ffi.buffer(room, used + 1)[used:] == _PATTERN
    )
    if not as_expected:
        raise LibraryUnavailable(f"{path} has a layout of operations that is not supported")
