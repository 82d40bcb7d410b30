"""QuasarDB through its C library, opened at run time: no compiler is needed."""

from storekit.qdb.capi.engine import CapiEngine
from storekit.qdb.capi.library import ENVIRONMENT, LibraryUnavailable

__all__ = ["ENVIRONMENT", "CapiEngine", "LibraryUnavailable"]
