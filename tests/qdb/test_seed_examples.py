# ruff: noqa: E501 - the examples stand as they are
"""The examples of the documentation of the 1.x client, as they stand.

Changed are only the import, and `print`, which is a function by now. Clusters are replaced
by stores in memory, and the clock by one of before 2020, where an example says "2020".
"""

import datetime
import io
import textwrap

import pytest

from storekit import qdb
from storekit.qdb.embedded import EmbeddedEngine
from tests.support.qdb_clusters import redirected

BEFORE_2020 = 1_500_000_000


@pytest.fixture(autouse=True)
def _stores_in_memory():
    with redirected(_engine):
        yield


def _engine(nodes, options):
    if nodes[0].address == "127.0.0.1":  # a fresh one, for the short examples
        return EmbeddedEngine("embedded:")
    return EmbeddedEngine(f"embedded:seed {nodes[0]}?mode=memory")


def run(source, **names):
    exec(compile(textwrap.dedent(source), "example", "exec"), names)
    return names


def test_testing_the_installation(capsys):
    run("""
        from storekit import qdb
        c = qdb.Client(qdb.RemoteNode("127.0.0.1"))
        c.put("entry", "content")
        print(c.get("entry"))
    """)
    assert capsys.readouterr().out == "content\n"


def test_expiry_from_now():
    names = run("""
        from storekit import qdb
        c = qdb.Client(qdb.RemoteNode("127.0.0.1"))
        c.put("entry", "content")
        c.expires_from_now("entry", 60)
        expiry = c.get_expiry_time("entry")
        c.expires_at("entry", None);
        never = c.get_expiry_time("entry")
    """)
    left = names["expiry"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(seconds=50) < left <= datetime.timedelta(seconds=60)
    assert names["never"] is None


@pytest.mark.parametrize(
    "lines",
    [
        """
        c.put("entry", "content")
        c.expires_at("entry", datetime.datetime(year=2020, month=1, day=1))
        """,
        """
        c.put("entry", "content", datetime.datetime(year=2020, month=1, day=1))
        """,
    ],
)
def test_expiry_at_a_time(lines):
    engine = EmbeddedEngine("embedded:", clock=lambda: BEFORE_2020 * 1000)
    client = qdb.Client("embedded:", engine=engine, clock=lambda: BEFORE_2020)
    run(lines, c=client, datetime=datetime)
    assert client.get_expiry_time("entry") == datetime.datetime(2020, 1, 1, tzinfo=qdb.tz)


def test_iteration(capsys):
    run("""
        from storekit import qdb
        c = qdb.Client(qdb.RemoteNode("127.0.0.1"))
        c.put("entry", {"a": "content"})
        for e in c:
            print(e)
    """)
    assert capsys.readouterr().out == "('entry', {'a': 'content'})\n"


def test_batch_operations():
    client = qdb.Client(qdb.RemoteNode("127.0.0.1"))
    client.put("my_entry1", ["first"])
    names = run(
        """
        requests = [ qdb.BatchRequest(qdb.Operations.get_alloc, "my_entry1"), qdb.BatchRequest(qdb.Operations.get_alloc, "my_entry2") ]

        successes, results = c.run_batch(requests)
        mycontent1 = results[0].result
        """,
        qdb=qdb,
        c=client,
    )
    assert names["successes"] == 1
    assert names["mycontent1"] == ["first"]
    assert names["results"][0].error == 0
    assert names["results"][1].error == qdb.ErrorCode.ALIAS_NOT_FOUND


def test_saving_and_loading():
    names = run("""
        from storekit import qdb

        # Assuming we have a quasardb server running on dataserver.mydomain:3001
        # Note this will throw an exception if the quasardb cluster is not available.
        cl = qdb.Client(qdb.RemoteNode('dataserver.mydomain', 3001))

        # We want to silently create or update the object
        # depending on the existence of the key in the cluster.
        def save(key, obj):
            cl.update(key, obj)

        # We want to simply return None if the key is not found in the cluster.
        def load(key):
            try:
                return cl.get(key)
            except qdb.QuasardbException:
                return None
    """)
    names["save"](("a", 1), {"b": [2]})
    assert names["load"](("a", 1)) == {"b": [2]}
    assert names["load"]("missing") is None


def test_the_client_throws_if_the_cluster_is_not_available():
    def refuse(nodes, options):
        engine = EmbeddedEngine("embedded:")
        engine.connect = lambda *_: (_ for _ in ()).throw(
            qdb.ConnectionFailed(qdb.ErrorCode.CONNECTION_REFUSED)
        )
        return engine

    with redirected(refuse), pytest.raises(qdb.QuasardbException, match=r"connect at a:2836"):
        qdb.Client(qdb.RemoteNode("a"))


@pytest.mark.parametrize("size", [0, 5, 20 * 1024 * 1024, 20 * 1024 * 1024 + 1])
def test_documents_without_a_size_limit(size):
    names = run("""
        import uuid
        from storekit import qdb

        # If the document is bigger than 10 MiB, we slice it
        SIZE_LIMIT = 10 * 1024 * 1024

        # Note given what we are doing here, the server should be configure with
        # a limiter-max-bytes of 1 GiB at least for proper caching
        cl = qdb.RawClient(qdb.RemoteNode('docserver.mydomain', 3002))

        # We expect a readable file-like object
        def upload(f):
            key = uuid.uuid4()

            # If we need to slice, suffix the entry key by the slice number
            # An empty slice marks the end of the file.
            current_slice = f.read(SIZE_LIMIT)
            count = 0
            while len(current_slice) > 0:
                cl.update(key.hex + str(count), current_slice)
                current_slice = f.read(SIZE_LIMIT)
                count += 1
            return key

        # We expect an uuid and a writable file-like object
        def download(key, f):
            try:
                count = 0
                while True:
                    f.write(cl.get(key.hex + str(count)))
                    count += 1

            # If count is >0, we had at least one slice, so it is ok
            # If not, we have really not found the file.
            except qdb.QuasardbException:
                if not count: raise
    """)
    key = names["upload"](io.BytesIO(b"x" * size))
    copy = io.BytesIO()
    if size:
        names["download"](key, copy)
        assert copy.getvalue() == b"x" * size
    else:
        with pytest.raises(qdb.AliasNotFound):
            names["download"](key, copy)
