"""All functions of the C API, implemented by the embedded engine: the library imports this module.

Functions of the header that are not implemented return `not_implemented`. (Without a definition,
they would return 0, which means success.)
"""

import re
from pathlib import Path

from storekit.qdb.errors import ErrorCode
from tools.qdb_library import basics, entries, handles, lists, operations, settings, texts
from tools.qdb_library.calls import defined, signed
from tools.qdb_library.embedding import ffi

__all__ = ["PARTS"]

PARTS = (basics, entries, lists, operations, settings, texts)


def _define_rest() -> None:
    header = Path(__file__).with_name("qdb_api.h").read_text()
    refusal = signed(ErrorCode.NOT_IMPLEMENTED)
    for name in re.findall(r"^qdb_error_t (qdb_\w+)\(", header, re.MULTILINE):
        if name not in defined:
            ffi.def_extern(name=name)(lambda *_: refusal)
    ffi.def_extern(name="qdb_log_option_is_sync")(lambda: 0)
    ffi.def_extern(name="qdb_log_option_set_sync")(lambda _: None)
    ffi.def_extern(name="storekit_qdb_allocated")(lambda: handles.counters["allocated"])
    ffi.def_extern(name="storekit_qdb_released")(lambda: handles.counters["released"])
    ffi.def_extern(name="storekit_qdb_handles")(handles.open_handles)


_define_rest()
