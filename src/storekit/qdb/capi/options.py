"""Options of a session: checked by the engine, set on a handle before it connects."""

import math
from collections.abc import Iterator

from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import CData, Library
from storekit.qdb.engine import LONGEST_TIMEOUT, SessionOptions
from storekit.qdb.errors import ErrorCode, error_for

__all__ = [
    "DEFAULT_TIMEOUT",
    "MAX_PARALLELISM",
    "apply_options",
    "check_options",
    "library_timeout",
]

DEFAULT_TIMEOUT = 60.0
"""Seconds for one operation on the network; the library's own default is five minutes."""

MAX_PARALLELISM = 256
"""The library starts two threads for each at once; with 100 000, the process aborts."""

_COMPRESSIONS = (3, 1)  # balanced, otherwise fast; no known version accepts "best"
_ENCRYPTIONS = (2, 1)  # AEGIS-256, otherwise AES-GCM-256
_NOT_HERE = frozenset({ErrorCode.NOT_IMPLEMENTED, ErrorCode.INVALID_ARGUMENT})


def check_options(options: SessionOptions) -> None:
    """Raise `ValueError` for values that no version of the library accepts."""
    timeout = options.timeout
    if timeout is not None and not 0 < timeout <= LONGEST_TIMEOUT:
        raise ValueError(
            f"timeout must be between 0 and {LONGEST_TIMEOUT} seconds, not {timeout!r}"
        )
    ranges = {
        "max_parallelism": (0, MAX_PARALLELISM),
        "max_in_buffer": (1, 2**63 - 1),
        "max_batch_load": (1, 2**63 - 1),
        "connections_per_address": (2, 100_000),
    }
    for name, (low, high) in ranges.items():
        value = getattr(options, name)
        if value is None:
            continue
        if not low <= value <= high:
            raise ValueError(f"{name} must be between {low} and {high}, not {value}")
    if (options.user is None) != (options.secret_key is None):
        raise ValueError("user and secret_key must be given together")
    for name in ("user", "secret_key", "cluster_public_key"):
        value = getattr(options, name)
        if value is not None and (not value or "\0" in value):
            raise ValueError(f"{name} is empty or has a NUL character")  # the value is secret


def library_timeout(options: SessionOptions) -> int:
    """Return the timeout for the C library: whole seconds, at least one."""
    return math.ceil(DEFAULT_TIMEOUT if options.timeout is None else options.timeout)


def apply_options(library: Library, handle: Handle, options: SessionOptions) -> None:
    """Set all options; the handle must not be connected yet.

    Raises:
        QuasardbException: If this version of the library lacks or rejects one.

    """
    with handle as pointer:
        for name, setter, values in _settings(options):
            if not library.has(setter):
                raise error_for(
                    ErrorCode.NOT_IMPLEMENTED,
                    f"The C library {library.version} does not have the option {name!r}: leave "
                    "it out, or use a later version of the library.",
                    operation="connect",
                )
            if refusal := _refusal(getattr(library.lib, setter), pointer, values):
                # Without the detail of the library, which may contain a key.
                raise error_for(
                    refusal,
                    f"The C library {library.version} rejects this value of the option {name!r}.",
                    operation="connect",
                )


def _settings(options: SessionOptions) -> Iterator[tuple[str, str, list[tuple[object, ...]]]]:
    """Return the name of each option, its setter, and the values to try, the best first."""
    yield "timeout", "qdb_option_set_timeout", [(1000 * library_timeout(options),)]
    numbers = {
        "max_parallelism": "qdb_option_set_client_max_parallelism",
        "max_in_buffer": "qdb_option_set_client_max_in_buf_size",
        "max_batch_load": "qdb_option_set_client_max_batch_load",
        "connections_per_address": "qdb_option_set_connection_per_address_soft_limit",
    }
    for name, setter in numbers.items():
        value = getattr(options, name)
        if value is not None:
            yield name, setter, [(value,)]
    for name, wanted, levels in (
        ("compression", options.compression, _COMPRESSIONS),
        ("encryption", options.encryption, _ENCRYPTIONS),
    ):
        if wanted is not None:
            yield (
                name,
                f"qdb_option_set_{name}",
                [(level,) for level in (levels if wanted else (0,))],
            )
    if options.cluster_public_key is not None:
        key = options.cluster_public_key.encode()
        yield "cluster_public_key", "qdb_option_set_cluster_public_key", [(key,)]
    if options.user is not None and options.secret_key is not None:
        user, secret = options.user.encode(), options.secret_key.encode()
        yield "secret_key", "qdb_option_set_user_credentials", [(user, secret)]


def _refusal(setter: CData, pointer: CData, values: list[tuple[object, ...]]) -> int:
    """Set the first value that this version supports; return the last error code, 0 for none."""
    code = 0
    for value in values:
        code = setter(pointer, *value) & 0xFFFFFFFF
        if code not in _NOT_HERE:
            break
    return code
