"""The documented exceptions are plain ones: made, raised, subclassed and pickled at will."""

import copy
import pickle
from unittest import mock

import pytest

import storekit
from storekit import qcache
from storekit.qcache import QClient, QClientException, ServerBusy

EXCEPTIONS = [
    getattr(qcache, name)
    for name in qcache.__all__
    if isinstance(getattr(qcache, name), type)
    and issubclass(getattr(qcache, name), QClientException)
] + [storekit.CodecError]


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_an_exception_can_be_made_with_any_arguments(kind):
    assert isinstance(str(kind()), str)
    assert kind("a", 2).args == ("a", 2)
    with pytest.raises(kind):
        raise kind


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_a_copy_and_a_pickle_keep_what_an_exception_says(kind):
    error = kind("words", "more")
    error.node = "http://host:1"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert twin.args == ("words", "more")
        assert twin.node == "http://host:1"


def test_a_subclass_with_its_own_arguments_has_the_fields():
    class Refused(ServerBusy):
        def __init__(self, tenant):
            self.tenant = tenant

    error = Refused("blue")
    assert (error.node, error.status, error.text, error.reached) == (None, None, None, True)
    assert error.retry_after == 0.0


def test_a_mock_of_the_client_raises_a_documented_exception_by_its_class():
    client = mock.create_autospec(QClient, instance=True)
    client.get.side_effect = qcache.NoCacheAvailable
    with pytest.raises(QClientException):
        client.get("k", {})
