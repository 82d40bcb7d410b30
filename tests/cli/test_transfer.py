"""`copy`, `dump`, `restore`: a store elsewhere, and back. Interruptions are tested by transfers."""

import pytest

from storekit.qdb import Client, RawClient
from tests.transfer._sync.filling import contents, fill


@pytest.fixture
def target(tmp_path):
    return f"embedded:{tmp_path / 'target.db'}"


def all_of(url):
    with RawClient(url) as client:
        return contents(client)


@pytest.fixture
def filled(store):
    with RawClient(store) as client:
        fill(client)
    return store


def test_a_copy_has_all_entries(run, filled, target):
    done = run("copy", filled, target)
    assert (done.code, done.err) == (0, "")
    assert done.text.startswith(f"{len(all_of(filled))} entries copied, 3.2 MiB")
    assert all_of(target) == all_of(filled)
    again = run("copy", filled, target, "--json").json
    assert again["unchanged"] == again["entries"] == len(all_of(filled))


def test_a_dump_is_restored(run, filled, target, tmp_path):
    path = tmp_path / "x.dump"
    done = run("dump", path)
    assert (done.code, done.err) == (0, "")
    assert f"entries of {filled}, 3.2 MiB, written to {path}" in done.text
    checked = run("restore", "--check", path)
    assert "not damaged" in checked.text
    assert run("restore", path, "--store", target).code == 0
    assert all_of(target) == all_of(filled)


def test_a_dump_travels_through_pipes(run, filled, target):
    done = run("dump", "-", "--compression", "zstd")
    assert (done.code, done.err) == (0, "")
    assert run("restore", "-", "--check", "--json", stdin=done.out).json["entries"] > 40
    assert run("restore", "-", "--store", target, stdin=done.out).code == 0
    assert all_of(target) == all_of(filled)
    assert run("restore", "-", "--store", target, stdin=done.out[:-1]).code == 6


def test_what_is_there_is_left_unless_it_is_said_what_becomes_of_it(run, store, target):
    with Client(store) as client:
        client.put("a", "new")
        client.put("b", "new")
    with Client(target) as client:
        client.put("a", "old")
    refused = run("copy", store, target)
    assert refused.code == 4
    assert "'a' is in embedded:" in refused.err
    assert "--existing overwrite" in refused.err
    refused = run("copy", store, target)
    assert refused.code == 4
    assert "--resume" in refused.err
    assert run("copy", store, target, "--resume", "--existing", "skip").code == 0
    assert run("get", "a", "--store", target).text == "old\n"
    assert run("copy", store, target, "--existing", "overwrite").code == 0
    assert run("get", "a", "--store", target).text == "new\n"


def test_a_file_that_is_there_is_replaced_only_on_demand(run, filled, tmp_path):
    path = tmp_path / "x.dump"
    path.write_bytes(b"precious")
    refused = run("dump", path)
    assert (refused.code, refused.out) == (4, b"")
    assert "--replace" in refused.err
    assert path.read_bytes() == b"precious"
    assert run("dump", path, "--replace").code == 0
    assert run("restore", path, "--check").code == 0


def test_a_damaged_file_is_refused_with_the_place(run, filled, target, tmp_path):
    path = tmp_path / "x.dump"
    run("dump", path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for arguments in (["restore", path, "--store", target], ["restore", path, "--check"]):
        refused = run(*arguments)
        assert refused.code == 6
        assert "at byte" in refused.err
        assert len(refused.err.splitlines()) == 1
    assert all_of(target) == {}


def test_a_store_that_is_not_there_is_not_made_to_be_read(run, target, tmp_path):
    missing = f"embedded:{tmp_path / 'missing'}"
    refused = run("copy", missing, target)
    assert refused.code == 3
    assert "there is no store" in refused.err
    assert run("dump", tmp_path / "x", "--store", missing).code == 3
    assert run("copy", "embedded:", target).code == 2
    assert [*tmp_path.iterdir()] == []


def test_a_store_that_is_not_reached_is_an_error_of_its_own(run, filled, closed_port, door_path):
    refused = run("copy", filled, f"qdb://127.0.0.1:{closed_port}", "--timeout", "2")
    assert refused.code == 3
    assert len(refused.err.splitlines()) == 1
