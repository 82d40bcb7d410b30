"""Write the bindings of the QuasarDB C library from its header.

    python tools/generate_qdb_bindings.py            write what changed
    python tools/generate_qdb_bindings.py --check    write nothing; exit 1 if it would change

The result is cffi's out-of-line form for a library that is opened at run time: no compiler
takes part, neither here nor on installation. Parsing the header when it is imported would
take 120 to 165 ms, the result takes 7 (mostly opening the library).
"""

import argparse
import contextlib
import io
import sys
import tempfile
from pathlib import Path

import cffi  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "tools/qdb_library/qdb_api.h"
OUTPUT = ROOT / "src/storekit/qdb/capi/_bindings.py"
MODULE = "storekit.qdb.capi._bindings"
UNBOUND = "/* STOREKIT:"  # what follows this is not for the client
PREAMBLE = """\
# Generated from tools/qdb_library/qdb_api.h by tools/generate_qdb_bindings.py; do not edit.
# ruff: noqa
# fmt: off
# mypy: ignore-errors
# pyright: reportMissingImports=false, reportMissingModuleSource=false
"""


def bindings() -> str:
    """Return the text of the module."""
    bound, marker, _ = HEADER.read_text().partition(UNBOUND)
    if not marker:
        raise SystemExit(f"{HEADER.name}: the line {UNBOUND!r} is missing")
    ffi = cffi.FFI()
    ffi.cdef(bound)
    ffi.set_source(MODULE, None)
    with tempfile.TemporaryDirectory() as directory:
        written = Path(directory, "bindings.py")
        with contextlib.redirect_stdout(io.StringIO()):  # cffi reports each file
            ffi.emit_python_code(str(written))
        return PREAMBLE + written.read_text()


def main() -> int:
    """Write or check, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    check = parser.parse_args().check
    text = bindings()
    name = OUTPUT.relative_to(ROOT)
    if OUTPUT.exists() and OUTPUT.read_text() == text:
        return 0
    if check:
        print(f"{name} is out of date: run tools/generate_qdb_bindings.py", file=sys.stderr)
        return 1
    OUTPUT.write_text(text)
    print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
