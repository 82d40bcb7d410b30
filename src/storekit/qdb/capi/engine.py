"""The engine that opens sessions with a cluster through the C library."""

import os
from collections.abc import Iterable, Mapping

from storekit.qdb.capi.connecting import connect
from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import load_library
from storekit.qdb.capi.options import (
    DEFAULT_TIMEOUT,
    apply_options,
    check_options,
    library_timeout,
)
from storekit.qdb.capi.session import CapiSession
from storekit.qdb.capi.uri import join_uris
from storekit.qdb.engine import SessionOptions

__all__ = ["CapiEngine"]

_GRACE = 0.5  # seconds for the library to report its own timeout, which has more detail


class CapiEngine:
    """Connects to the cluster at `uris` with the library `library`, or the one that is found.

    `uris` is `qdb://host:port[,host:port...]`, or several of them.

    Raises:
        LibraryUnavailable: If there is no C library that storekit can work with.
        ValueError: For a URI or an option that no cluster would accept.

    """

    def __init__(
        self,
        uris: str | Iterable[str],
        options: SessionOptions | None = None,
        library: str | os.PathLike[str] | None = None,
    ) -> None:
        self._uri = join_uris(uris)
        self._options = SessionOptions() if options is None else options
        check_options(self._options)
        self._library = load_library(library)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._uri!r}, {self._options!r})"

    def connect(self, timeout: float | None = None) -> CapiSession:
        """Open a session within the timeout of the options (60 seconds by default).

        A shorter `timeout`, in seconds, takes precedence.

        Raises:
            ConnectionFailed: If no node responds as a QuasarDB node.
            StoreTimeout: If none does so in time.

        """
        handle = Handle(self._library)
        try:
            apply_options(self._library, handle, self._options)
        except BaseException:
            handle.close()
            raise
        deadline = self._deadline()
        if timeout is not None:
            deadline = min(deadline, timeout)
        connect(self._library, handle, self._uri, deadline)
        return CapiSession(self._library, handle)

    @property
    def immediate(self) -> bool:
        """No: every call waits for the network."""
        return False

    @property
    def serial(self) -> bool:
        """No: a cluster serves many sessions at a time."""
        return False

    def version(self) -> str:
        """Return the version of the C library."""
        return self._library.version

    def build(self) -> str:
        """Return the build of the C library."""
        return self._library.build

    def describe(self) -> Mapping[str, object]:
        """Return details for bug reports, without secrets."""
        options = self._options
        return {
            "engine": "capi",
            "uri": self._uri,
            "library": self._library.path,
            "found": self._library.origin,
            "version": self._library.version,
            "build": self._library.build,
            "timeout": self._deadline(),
            "user": options.user,
            "encryption": options.encryption,
            "compression": options.compression,
        }

    def _deadline(self) -> float:
        asked = DEFAULT_TIMEOUT if self._options.timeout is None else self._options.timeout
        whole = library_timeout(self._options)
        return asked if asked < whole else whole + _GRACE
