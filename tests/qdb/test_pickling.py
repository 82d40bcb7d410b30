"""Values as the plain pickles that every client reads."""

import pickle

import pytest

from storekit.qdb import RemoteNode
from storekit.qdb.codec import DEFAULT_PICKLER, ClassNotAllowed, UnreadableValue, ValuePickler


class Point:
    pass


@pytest.mark.parametrize("value", [None, 5, "tëxt", b"\x00", {"a": {1, 2}}, [(1,)]], ids=repr)
def test_what_is_written_is_a_plain_pickle_that_every_client_reads(value):
    written = DEFAULT_PICKLER.dump(value)
    assert pickle.loads(written) == value
    assert written[:2] == b"\x80\x02"
    assert DEFAULT_PICKLER.load(memoryview(written)) == value


def test_what_is_let_in_is_the_clients_choice():
    with pytest.raises(TypeError, match=r'allow=\["tests.qdb.test_pickling.Point"\]'):
        DEFAULT_PICKLER.dump(Point())
    written = ValuePickler([Point]).dump(Point())
    with pytest.raises(ClassNotAllowed, match=r'allow=\["tests.qdb.test_pickling.Point"\]'):
        DEFAULT_PICKLER.load(written)
    assert type(ValuePickler([Point]).load(written)) is Point
    assert type(ValuePickler(trust_pickle=True).load(written)) is Point
    with pytest.raises(UnreadableValue):
        DEFAULT_PICKLER.load(b"no pickle")
    with pytest.raises(TypeError, match="can't be pickled"):
        DEFAULT_PICKLER.dump(lambda: None)


@pytest.mark.parametrize("module", ["qdb", "quasardb"])
@pytest.mark.parametrize("allow", ["object", "name"])
def test_classes_of_the_1x_client_are_read_by_the_names_they_had(module, allow):
    written = pickle.dumps(RemoteNode("host", 1), 2)
    old = written.replace(b"cstorekit.qdb.values\n", f"c{module}\n".encode())
    assert old != written
    with pytest.raises(ClassNotAllowed, match=f"{module}.RemoteNode"):
        DEFAULT_PICKLER.load(old)
    allowed = RemoteNode if allow == "object" else f"{module}.RemoteNode"
    assert ValuePickler([allowed]).load(old) == RemoteNode("host", 1)
