"""Build the embedded engine as a C library: `python tools/build_qdb_library.py OUT_DIR`.

OUT_DIR/libqdb_api.so then exports the key-value part of the QuasarDB C API, so that the code
over the C library, and any other client of it, can run without a cluster. Needs a C compiler
and setuptools. The library starts, or uses, a Python like the one that built it, and imports
storekit from this checkout.

Each `host:port` that a process connects to is a separate store, in memory. With the
environment variable STOREKIT_QDB_LIBRARY_DATA, it is a file in that directory.
"""

import argparse
import re
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

import cffi  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tools/qdb_library"
NAME = "libqdb_api.so"
MODULE = "_storekit_qdb_library"

# For tests: allocated buffers, buffers released by qdb_release, and open handles.
COUNTERS = """
unsigned long long storekit_qdb_allocated(void);
unsigned long long storekit_qdb_released(void);
unsigned long long storekit_qdb_handles(void);
"""
STUB = "int {}(void) {{ return (int){}; }}"
ANSWERS = {"": "0xF3000011", "ok": "0"}  # the former is qdb_e_not_implemented
# cffi starts Python under a lock that, before 3.12, is a field of the type of capsules. If an
# attribute of a capsule was looked up before, the field is in use, and cffi would spin for ever.
# PyType_Modified clears the field.
CONSTRUCTOR = """
__attribute__((constructor)) static void storekit_clear_the_lock(void)
{
#if PY_VERSION_HEX < 0x030C0000
    if (Py_IsInitialized() && PyGILState_Check())
        PyType_Modified(&PyCapsule_Type);
#endif
}
"""
START = """
import sys
sys.path += [path for path in {paths!r} if path not in sys.path]
import tools.qdb_library.functions
"""


def declarations() -> str:
    """Return the declarations of the functions that are implemented in Python."""
    return (SOURCES / "qdb_api.h").read_text() + COUNTERS


def exported(text: str) -> set[str]:
    """Return the names of the functions that a header declares."""
    return set(re.findall(r"\b(\w+)\([^()]*\);", re.sub(r"\(\*\w+\)\([^()]*\)", "", text)))


def other_symbols() -> list[tuple[str, str]]:
    """Return the names of further functions, and their results."""
    lines = (SOURCES / "other_symbols.txt").read_text().splitlines()
    parts = [line.partition(" ") for line in lines if not line.startswith("#")]
    return [(name, answer) for name, _, answer in parts]


def build(out_dir: Path) -> Path:
    """Build the library, and return its path."""
    text = declarations()
    stubs = [STUB.format(name, ANSWERS[answer]) for name, answer in other_symbols()]
    types = text[: text.index("const char *qdb_version")]
    callback = re.findall(r"^typedef .*qdb_log.*;$", text, re.MULTILINE)
    ffi = cffi.FFI()
    ffi.embedding_api(text)
    ffi.set_source(
        MODULE,
        "\n".join(
            ["#include <stdint.h>", "#include <stddef.h>", types, *callback, *stubs, CONSTRUCTOR]
        ),
        extra_link_args=[
            f"-Wl,-soname,{NAME}",
            "-Wl,-Bsymbolic",  # the vendor's library may be in the same process
            f"-Wl,-rpath,{sysconfig.get_config_var('LIBDIR')}",
        ],
    )
    paths = [str(ROOT), str(ROOT / "src"), sysconfig.get_path("platlib")]
    ffi.embedding_init_code(START.format(paths=paths))
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        built = ffi.compile(tmpdir=work, target=NAME)
        # Moved in one step: a test that runs meanwhile has the old one or the new one.
        with tempfile.NamedTemporaryFile(dir=out_dir, delete=False) as partial:
            shutil.copyfile(built, partial.name)
        Path(partial.name).chmod(0o755)
        return Path(partial.name).replace(out_dir / NAME)


def main() -> int:
    """Build, and print the path of the library."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR")
    print(build(parser.parse_args().out_dir))
    return 0


if __name__ == "__main__":
    sys.exit(main())
