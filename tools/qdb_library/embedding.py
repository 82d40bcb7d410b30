"""The cffi module inside the library. cffi has no types: its values are `Any`, named `CData`."""

from typing import Any

from _storekit_qdb_library import ffi as _ffi  # type: ignore[import-not-found]

__all__ = ["CData", "ffi"]

CData = Any
"""A value of cffi: a pointer, a structure, or a function."""

ffi: CData = _ffi
