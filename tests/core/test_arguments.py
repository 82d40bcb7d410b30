"""Errors about the arguments of a method, as callers of the clients see them."""

import pytest

from storekit.qcache import AsyncQClient, QClient
from storekit.qdb import AsyncClient, AsyncRawClient, Client, RawClient


@pytest.mark.parametrize("kind", [Client, RawClient, AsyncClient, AsyncRawClient])
@pytest.mark.parametrize(
    ("method", "missing"), [("put", "data"), ("upload", "file"), ("run_batch", "requests")]
)
def test_argument_of_a_qdb_client_that_is_missing_is_told_without_a_class(kind, method, missing):
    client = kind("embedded:")
    arguments = ("alias",) if method == "put" else ()
    with pytest.raises(TypeError, match=rf"^{method}\(\) missing .*'{missing}'"):
        getattr(client, method)(*arguments)


@pytest.mark.parametrize("kind", [QClient, AsyncQClient])
@pytest.mark.parametrize(
    ("method", "arguments", "missing"),
    [("get", ("k",), "q"), ("post", ("k",), "content"), ("query", ("k", {}), "load_fn")],
)
def test_argument_of_a_qcache_client_that_is_missing_is_told_without_a_class(
    kind, method, arguments, missing
):
    client = kind(["http://127.0.0.1:9401"])
    with pytest.raises(TypeError, match=rf"^{method}\(\) missing .*'{missing}'"):
        getattr(client, method)(*arguments)


def test_argument_that_there_is_not_is_told_without_a_class():
    with pytest.raises(TypeError, match=r"^get\(\) got an unexpected keyword argument 'most'"):
        Client("embedded:").get("alias", most=3)  # type: ignore[call-overload]
