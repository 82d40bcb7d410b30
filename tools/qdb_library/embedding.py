"""What cffi gives to code inside the library. It has no types: `Any`, by one name."""

from typing import Any

from _storekit_qdb_door import ffi as _ffi  # type: ignore[import-not-found]

__all__ = ["CData", "ffi"]

CData = Any
"""A value of C: a pointer, a structure, or what cffi makes of a function."""

ffi: CData = _ffi
