"""A QuasarDB library for measuring: `qdb_stub.c`, compiled.

`storekit`, the bare calls and the vendor's client all use the same one.
"""

import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["ALIAS", "CONTENT", "address", "compiled_stub"]

ALIAS = "some_alias"
CONTENT = bytes(range(100))

_HERE = Path(__file__).resolve().parent
_INTERFACE = _HERE.parent / "tools" / "qdb_library"  # has the header and the list of symbols
_NAME = "libqdb_api.so"  # the name that the vendor's client links to
_NOT_IMPLEMENTED = 0xF3000011


def address(wait: int = 0) -> str:
    """Return the address of a cluster whose calls wait `wait` µs."""
    return f"qdb://wait-{wait}:2836"


@contextmanager
def compiled_stub() -> Iterator[Path]:
    """Compile the library; it is deleted at the end of the context."""
    with tempfile.TemporaryDirectory(prefix="storekit-benchmark-") as directory:
        rest = Path(directory, "rest.c")
        rest.write_text(_rest())
        library = Path(directory, _NAME)
        compiler = (sysconfig.get_config_var("CC") or "cc").split()
        command = [
            *compiler, "-O2", "-Wall", "-fPIC", "-shared", "-pthread", f"-I{_INTERFACE}",
            # The vendor's library, with the same symbols, may be in the same process.
            f"-Wl,-soname,{_NAME}", "-Wl,-Bsymbolic",
            "-o", str(library), str(_HERE / "qdb_stub.c"), str(rest),
        ]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError as exc:
            raise RuntimeError(f"no C compiler to build the stub with: {command[0]}") from exc
        except subprocess.CalledProcessError as exc:
            raise RuntimeError(f"the stub does not compile:\n{exc.stderr}") from exc
        yield library


def _rest() -> str:
    """Return weak definitions of all functions that clients link to."""
    header = (_INTERFACE / "qdb_api.h").read_text()
    header = re.sub(r"\(\*\w+\)\([^()]*\)", "", header)  # types of callbacks
    names = re.findall(r"\b(qdb_\w+)\([^()]*\);", header)
    answers = dict.fromkeys(names, _NOT_IMPLEMENTED)
    answers |= dict.fromkeys(filter(_is_setting, names), 0)
    for line in (_INTERFACE / "other_symbols.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, _, answer = line.partition(" ")
            answers[name] = 0 if answer == "ok" else _NOT_IMPLEMENTED
    return "\n".join(
        f"__attribute__((weak)) int {name}(void) {{ return (int){answer:#x}; }}"
        for name, answer in answers.items()
    )


def _is_setting(name: str) -> bool:
    return name.startswith("qdb_option_") and "_get_" not in name
