"""`help()` says what each option of the clients means, however it is passed on."""

import inspect
import pydoc
import re

import pytest

from storekit import qcache, qdb
from storekit.qcache._async.client import AsyncQClientOptions
from storekit.qcache._sync.client import QClientOptions
from storekit.qcache.options import GetOptions, PostOptions
from storekit.qdb._typing import ClientOptions

CLIENTS = {
    qcache.AsyncQClient: AsyncQClientOptions,
    qcache.QClient: QClientOptions,
    qdb.AsyncClient: ClientOptions,
    qdb.Client: ClientOptions,
    qdb.AsyncRawClient: ClientOptions,
    qdb.RawClient: ClientOptions,
}


def described(function: object) -> set[str]:
    """Return the names that a docstring describes, as `name: What it is` or "- `name`: it is"."""
    return set(re.findall(r"^ +(?:- `)?(\w+)`?: \S", inspect.getdoc(function) or "", re.MULTILINE))


def named(function: object) -> set[str]:
    return {name for name in inspect.signature(function).parameters if name != "self"}


@pytest.mark.parametrize("client", CLIENTS)
def test_each_option_of_a_client_is_described(client):
    options = CLIENTS[client].__annotations__.keys()
    assert options >= {"limits", "observers"}
    assert (named(client.__init__) | options) - described(client.__init__) == set()
    shown = pydoc.render_doc(client, renderer=pydoc.plaintext)
    assert [name for name in options if name not in shown] == []


@pytest.mark.parametrize("client", [qcache.AsyncQClient, qcache.QClient])
def test_each_option_of_an_operation_is_described(client):
    for name, options in {"get": GetOptions, "post": PostOptions, "query": PostOptions}.items():
        method = getattr(client, name)
        assert (named(method) | options.__annotations__.keys()) - described(method) == set(), name


@pytest.mark.parametrize("client", CLIENTS)
def test_a_method_that_describes_arguments_describes_all(client):
    methods = [method for _, method in inspect.getmembers(client, inspect.isfunction)]
    listing = [method for method in methods if "\nArgs:" in (inspect.getdoc(method) or "")]
    assert len(listing) >= 3
    for method in listing:
        assert named(method) - described(method) == set(), method


def keywords(function: object) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}


@pytest.mark.parametrize("client", [qcache.AsyncQClient, qcache.QClient])
def test_options_that_are_typed_apart_are_those_of_the_signature(client):
    """Type checkers know keyword arguments from a dict of types, Python from the method."""
    typed = {
        client.__init__: CLIENTS[client],
        client.get: GetOptions,
        client.post: PostOptions,
        client.query: PostOptions,
    }
    for function, options in typed.items():
        assert keywords(function) == options.__annotations__.keys() | {"codec"}, function
