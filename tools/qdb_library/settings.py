"""Options: checked as the vendor's library does, and stored, but without effect."""

# ruff: noqa: D103 - the header describes the functions

from storekit.qdb.errors import ErrorCode, error_for
from tools.qdb_library.calls import call, check_places, text
from tools.qdb_library.embedding import CData
from tools.qdb_library.handles import Handle

_MAX_USER = 120  # bytes
_KEY_LENGTH = 45


def _define(name: str, default: int, low: int, high: int) -> None:
    """Define setter and getter of a numeric option."""

    def setter(handle: Handle, value: int) -> None:
        if not low <= value <= high:
            raise error_for(ErrorCode.INVALID_ARGUMENT)
        handle.options[name] = value

    def getter(handle: Handle, place: CData) -> None:
        check_places(place)
        place[0] = handle.options.get(name, default)

    setter.__name__ = f"option_set_{name}"
    getter.__name__ = f"option_get_{name}"
    call(setter)
    call(getter)


_SIZE_MAX = 2**64 - 1
_INT_MAX = 2**31 - 1
_define("client_max_in_buf_size", 268_435_456, 1025, _SIZE_MAX)
_define("stabilization_max_wait", 0, 0, _INT_MAX)
_define("transaction_max_wait", 360_000, 0, _INT_MAX)
_define("client_max_parallelism", 1, 0, 4096)
_define("connection_per_address_soft_limit", 16, 2, 100_000)
_define("client_max_batch_load", 256, 0, _SIZE_MAX)
_define("query_max_length", 100_000, 0, _SIZE_MAX)


@call
def option_set_timeout(handle: Handle, milliseconds: int) -> None:
    if milliseconds < 1000:
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    handle.options["timeout"] = milliseconds // 1000 * 1000


@call
def option_get_timeout(handle: Handle, place: CData) -> None:
    check_places(place)
    place[0] = handle.options["timeout"]


@call
def option_get_cluster_max_in_buf_size(_: Handle, place: CData) -> None:
    check_places(place)
    place[0] = 0


@call
def option_set_max_cardinality(handle: Handle, value: int) -> None:
    if value < 100:
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    handle.options["max_cardinality"] = value


@call
def option_set_compression(handle: Handle, level: int) -> None:
    if level in (-1, 2):
        raise error_for(ErrorCode.NOT_IMPLEMENTED)
    if level not in (0, 1, 3):
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    handle.options["compression"] = level


@call
def option_set_encryption(handle: Handle, algorithm: int) -> None:
    if algorithm == 1:
        raise error_for(ErrorCode.NOT_IMPLEMENTED)
    if algorithm not in (0, 2):
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    handle.options["encryption"] = algorithm


@call
def option_set_cluster_public_key(_: Handle, key: CData) -> None:
    raw = text(key, "key").rstrip("\n")
    if not (raw.startswith("P") and raw.endswith("=") and len(raw) == _KEY_LENGTH):
        raise error_for(ErrorCode.INVALID_CRYPTO_KEY)


@call
def option_set_user_credentials(_: Handle, user: CData, key: CData) -> None:
    name, raw = text(user, "user"), text(key, "key").rstrip("\n")
    if not name:
        raise error_for(ErrorCode.INVALID_ARGUMENT)
    if len(name.encode()) > _MAX_USER:
        raise error_for(ErrorCode.ALIAS_TOO_LONG)
    if not (raw.startswith("S") and raw.endswith("=")):
        raise error_for(ErrorCode.INVALID_CRYPTO_KEY)


@call
def option_set_timezone(handle: Handle, name: CData) -> None:
    handle.options["timezone"] = text(name, "timezone")


@call
def option_get_timezone(handle: Handle, out: CData) -> None:
    check_places(out)
    out[0] = handle.hand_out(handle.options["timezone"].encode())


@call
def option_set_client_soft_memory_limit(handle: Handle, size: int) -> None:
    handle.options["client_soft_memory_limit"] = size


@call
def option_client_tidy_memory(_: Handle) -> None:
    """Do nothing."""


@call
def option_client_get_memory_info(handle: Handle, out: CData, size: CData) -> None:
    check_places(out, size)
    raw = b"the embedded engine keeps no count of its memory"
    out[0], size[0] = handle.hand_out(raw), len(raw)


@call
def option_enable_user_properties(_: Handle) -> None:
    """Do nothing: there are no user properties."""


@call
def option_disable_user_properties(_: Handle) -> None:
    """Do nothing: there are no user properties."""


@call
def option_enable_client_load_balancing(handle: Handle) -> None:
    handle.options["load_balancing"] = 1


@call
def option_disable_client_load_balancing(handle: Handle) -> None:
    handle.options["load_balancing"] = 0


@call
def option_get_client_load_balancing(handle: Handle, place: CData) -> None:
    check_places(place)
    place[0] = handle.options.get("load_balancing", 0)


def _checked_wait(name: str) -> None:
    """Define a function that checks its timeouts, and returns at once."""

    def wait(handle: Handle, *milliseconds: int) -> None:
        if any(each <= 0 for each in milliseconds):
            raise error_for(ErrorCode.INVALID_ARGUMENT)
        _ = handle.session

    wait.__name__ = name
    call(wait)


for _name in ("purge_cache", "trim_all", "wait_for_stabilization"):
    _checked_wait(_name)
