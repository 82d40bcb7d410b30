"""Names of session methods in clients: functions of the protocol, such as `Session.remove`.

They give type checkers the types of the arguments. The method of the same name of the actual
session is called, and the name of the operation in errors and for observers derives from it.
"""

from collections.abc import Callable
from operator import methodcaller
from typing import Any, TypeVar, TypeVarTuple

from storekit.qdb.engine import Session

__all__ = ["Method", "bound", "operation_of"]

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

Method = Callable[..., object] | str
"""A function of the protocol `Session`, or the name of an operation that has none of its own."""

_OPERATIONS = {
    "blob_compare_and_swap": "compare_and_swap",
    "blob_get": "get",
    "blob_get_and_remove": "get_remove",
    "blob_get_and_update": "get_update",
    "blob_put": "put",
    "blob_remove_if": "remove_if",
    "blob_update": "update",
    "node_stop": "stop_node",
    "purge_all": "remove_all",
    "string_get_and_remove": "string_get_remove",
    "string_get_and_update": "string_get_update",
}
"""Names of operations that differ from those of the session methods."""


def bound(
    method: Callable[[Session, *Arguments], T], *arguments: *Arguments
) -> Callable[[Session], T]:
    """Return a function of a session that calls the method with these arguments."""
    call: Any = methodcaller(method.__name__, *arguments)
    return call  # type: ignore[no-any-return]


def operation_of(method: Method) -> str:
    """Return the name of the client's operation that calls a method of the session."""
    name = method if isinstance(method, str) else method.__name__
    return _OPERATIONS.get(name, name)
