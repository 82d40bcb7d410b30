"""Errors are plain exceptions, and those of a closed client have the documented base."""

import copy
import inspect
import pickle

import pytest

from storekit import qdb
from storekit.errors import ClientClosed, CodecError, StoreKitError
from storekit.qdb.errors import StoreClosed

KINDS = sorted(
    (
        kind
        for kind in vars(qdb).values()
        if inspect.isclass(kind) and issubclass(kind, StoreKitError)
    ),
    key=lambda kind: kind.__name__,
)


class WithConstructor(qdb.AliasNotFound):
    def __init__(self, name):
        super().__init__(qdb.ErrorCode.ALIAS_NOT_FOUND, f"It is {name}.")
        self.name = name


class WithSlots(qdb.QuasardbException):
    __slots__ = ("extra",)


class OfCodec(CodecError):
    def __init__(self):
        super().__init__("broken", codec="mine", key="a")


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_can_be_made_without_arguments_raised_by_class_and_pickled(kind):
    made = kind()
    with pytest.raises(kind):
        raise kind
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert type(again) is kind
        assert (str(again), again.args, again.__dict__) == (str(made), made.args, made.__dict__)


def test_an_error_that_was_made_by_class_has_the_code_of_its_class():
    assert qdb.AliasNotFound().error_code == qdb.ErrorCode.ALIAS_NOT_FOUND
    assert qdb.StoreTimeout().error_code == qdb.ErrorCode.TIMEOUT
    assert qdb.AccessDenied().error_code == qdb.ErrorCode.ACCESS_DENIED
    assert qdb.QuasardbException().error_code == 0
    assert qdb.QuasardbException(8).error_code == 8
    assert WithConstructor("gone").error_code == qdb.ErrorCode.ALIAS_NOT_FOUND


def test_a_text_in_place_of_the_code_is_the_detail():
    error = qdb.AliasNotFound("gone since noon")
    assert error.error_code == qdb.AliasNotFound().error_code
    assert str(error).endswith("gone since noon")
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.args) == (str(error), error.args)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_subclasses_with_other_constructors_and_slots_are_pickled(protocol):
    error = WithConstructor("gone")
    error.alias = "a"
    again = pickle.loads(pickle.dumps(error, protocol))
    assert (type(again), again.name, again.alias, str(again)) == (
        WithConstructor,
        "gone",
        "a",
        str(error),
    )
    slots = WithSlots(8)
    slots.extra = [1]
    assert pickle.loads(pickle.dumps(slots, protocol)).extra == [1]
    assert pickle.loads(pickle.dumps(OfCodec(), protocol)).codec == "mine"


def test_an_error_of_a_call_is_pickled_with_what_was_asked():
    with qdb.RawClient("embedded:") as client, pytest.raises(qdb.AliasNotFound) as caught:
        client.get("a")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.operation, again.alias, again.node) == ("get", "a", "embedded:")


def closed_calls():
    """Return a call of each operation that a closed client can be asked for."""
    return {
        "get": lambda c: c.get("a"),
        "put": lambda c: c.put("a", b"1"),
        "exists": lambda c: c.exists("a"),
        "in": lambda c: "a" in c,
        "int_add": lambda c: c.int_add("a", 1),
        "string_get": lambda c: c.string_get("a"),
        "prefix_get": lambda c: c.prefix_get("a"),
        "get_many": lambda c: c.get_many(["a"]),
        "put_many": lambda c: c.put_many({"a": b"1"}),
        "find": lambda c: c.find("tag='a'"),
        "get_or_load": lambda c: c.get_or_load("a", bytes),
        "run_batch": lambda c: c.run_batch([qdb.BatchRequest(qdb.Operations.get_alloc, "a")]),
        "iterate": list,
        "aliases": lambda c: list(c.aliases()),
        "entries": lambda c: list(c.entries(prefix="a")),
        "connect": lambda c: c.connect(),
        "node_status": lambda c: c.node_status("127.0.0.1:2836"),
        "document_info": lambda c: c.document_info("0" * 32),
        "with_timeout": lambda c: c.with_timeout(1).get("a"),
    }


@pytest.mark.parametrize("name", closed_calls())
def test_every_call_of_a_closed_client_is_a_documented_error(name):
    client = qdb.RawClient("embedded:")
    client.close()
    with pytest.raises(qdb.QuasardbException) as caught:
        closed_calls()[name](client)
    assert isinstance(caught.value, ClientClosed)
    assert isinstance(caught.value, StoreClosed)
    assert "make a new one" in str(caught.value)
    assert "::" not in str(caught.value)
