"""`get`, `put`, `rm`, `ls`, `stat`, `ttl`, `incr`, `tag`."""

import json
import re

import pytest

from storekit.qdb import Client, RawClient


@pytest.fixture(params=["in a file", "behind the C library"])
def store(request):
    """A store that is embedded, and one that is reached by the C library."""
    if request.param == "in a file":
        return request.getfixturevalue("store_in_file")
    return request.getfixturevalue("cluster")


def test_what_is_put_is_got(run, store):
    assert run("put", "greeting", "hello").code == 0
    assert run("get", "greeting").out == b"hello\n"


def test_programs_read_what_was_put_and_the_other_way_round(run, store):
    run("put", "text", "hello")
    run("put", "plain", '{"a": [1, 2.5, null]}', "--as", "json")
    with Client(store) as client:
        assert client.get("text") == "hello"
        assert client.get("plain") == {"a": [1, 2.5, None]}
        client.put("theirs", {"b": (1, "x")})
    assert run("get", "theirs", "--json").json["value"] == {"b": [1, "x"]}


def test_values_that_are_no_text_are_shown_as_json(run, store):
    run("put", "a", '{"x": [1, 2]}', "--as", "json")
    assert json.loads(run("get", "a").text) == {"x": [1, 2]}
    assert run("get", "a").text.count("\n") > 2, "for people, over several lines"


def test_raw_bytes_travel_as_they_are(run, store):
    content = bytes(range(256)) + b"\n"
    assert run("put", "a", "-", "--as", "raw", stdin=content).code == 0
    assert run("get", "a", "--as", "raw").out == content
    assert run("get", "a").out == content, "what is no pickle is given as it is stored"
    with RawClient(store) as client:
        assert client.get("a") == content


@pytest.mark.parametrize("codec", ["json", "msgpack", "pickle", "msgpack+zstd", "json+lz4"])
def test_values_are_stored_by_any_codec(run, store, codec):
    assert run("put", "a", '{"n": [1, "x"]}', "--as", "json", "--codec", codec).code == 0
    with RawClient(store) as client:
        assert client.get("a", codec=codec) == {"n": [1, "x"]}
    assert run("get", "a", "--codec", codec, "--json").json["value"] == {"n": [1, "x"]}


@pytest.mark.parametrize("codec", ["arrow", "polars", "pandas"])
def test_rows_are_stored_by_codecs_of_tables(run, store, codec):
    rows = [{"city": "Uppsala", "people": 177074}, {"city": "Lund", "people": 94393}]
    assert run("put", "a", json.dumps(rows), "--as", "json", "--codec", codec).code == 0
    assert run("get", "a", "--codec", codec, "--json").json["value"] == rows


def test_text_from_standard_input_ends_before_its_last_line_end(run, store):
    run("put", "a", "-", stdin="två\nrader\n".encode())
    assert run("get", "a").text == "två\nrader\n"
    run("put", "b", "-", stdin=run("get", "a").out)
    with Client(store) as client:
        assert client.get("b") == client.get("a") == "två\nrader"


def test_a_value_comes_from_a_file(run, store, tmp_path):
    (tmp_path / "value").write_bytes(b"\x00\xff")
    assert run("put", "a", "--file", tmp_path / "value", "--as", "raw").code == 0
    assert run("get", "a", "--as", "raw").out == b"\x00\xff"


@pytest.mark.parametrize("more", [[], ["x", "--file", "y"]])
def test_there_is_one_value(run, store, more):
    assert run("put", "a", *more).code == 2


def test_what_is_there_is_replaced_only_if_that_was_asked_for(run, store):
    run("put", "a", "1")
    refused = run("put", "a", "2")
    assert refused.code == 4
    assert "--replace" in refused.err
    assert run("get", "a").text == "1\n"
    assert run("put", "a", "2", "--replace").code == 0
    assert run("get", "a").text == "2\n"


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("integer", "-7", -7),
        ("double", "2.5", 2.5),
        ("string", "text", "text"),
        ("timestamp", "2026-01-02T03:04:05+00:00", "2026-01-02 03:04:05+00:00"),
    ],
)
def test_entries_have_types(run, store, kind, value, shown):
    assert run("put", "--type", kind, "--", "a", value).code == 0
    assert run("get", "a", "--json").json == {"key": "a", "type": kind, "value": shown}
    assert run("get", "a").text == f"{shown}\n"
    assert run("stat", "a", "--json").json["type"] == kind


@pytest.mark.parametrize("kind", ["integer", "double", "timestamp"])
def test_what_is_not_of_its_type_is_refused(run, store, kind):
    refused = run("put", "a", "x", "--type", kind)
    assert refused.code == 2
    assert kind in refused.err
    assert run("get", "a").code == 1


def test_content_of_another_codec_is_code_6_and_says_what_to_do(run, store):
    run("put", "a", "text", "--as", "raw")
    refused = run("get", "a", "--codec", "pickle")
    assert refused.code == 6
    assert "'a'" in refused.err
    assert "--as raw" in refused.err


def test_a_class_that_a_pickle_names_is_not_let_in(run, store):
    import pickle

    run("put", "a", "-", "--as", "raw", stdin=pickle.dumps(print))
    refused = run("get", "a")
    assert refused.code == 6
    assert "print" in refused.err


def test_an_entry_that_is_not_there_is_code_1(run, store):
    for arguments in (["get", "a"], ["stat", "a"], ["ttl", "a"], ["incr", "a"], ["tag", "a", "t"]):
        done = run(*arguments)
        assert (done.code, done.out) == (1, b"")
        assert "'a'" in done.err


def test_entries_are_removed(run, store):
    for key in ("a1", "a2", "b"):
        run("put", key, "1")
    assert run("rm", "a1", "b").code == 0
    assert run("ls").lines == ["a2"]
    again = run("rm", "a1", "a2")
    assert again.code == 1
    assert again.err == "storekit: error: there is no entry 'a1'\n"
    assert run("ls").lines == []
    assert run("rm", "a1", "--force").code == 0


def test_many_are_removed_by_a_prefix_after_a_question(run, store):
    for key in ("a1", "a2", "b"):
        run("put", key, "1")
    asked = run("rm", "--prefix", "a")
    assert asked.code == 2
    assert "2 entries" in asked.err
    assert run("rm", "--prefix", "a", "--yes", "--json").json == {"prefix": "a", "removed": 2}
    assert run("ls").lines == ["b"]
    assert run("rm", "--prefix", "", "--yes").code == 2
    assert run("rm").code == 2


def test_entries_are_listed_in_order_by_prefix_tag_and_number(run, store):
    for key in ("b", "a2", "a1"):
        run("put", key, "1")
    run("put", "n", "1", "--type", "integer")
    run("tag", "b", "t")
    run("tag", "a1", "t")
    assert run("ls").lines == ["a1", "a2", "b", "n"]
    assert run("ls", "a").lines == ["a1", "a2"]
    assert run("ls", "--limit", "1").lines == ["a1"]
    assert run("ls", "--tag", "t").lines == ["a1", "b"]
    assert run("ls", "a", "--tag", "t").lines == ["a1"]
    assert run("ls", "--count").lines == ["4"]
    assert run("ls", "--json").json == [{"key": key} for key in ("a1", "a2", "b", "n")]
    assert run("ls", "zzz").lines == []


def test_a_long_list_has_types_and_sizes(run, store):
    run("put", "a", "12345", "--as", "raw", "--ttl", "1h")
    run("put", "n", "1", "--type", "integer")
    first, second = run("ls", "-l").lines
    assert re.fullmatch(r"blob +5 B  \S+ \S+  \S+ \S+  a", first)
    assert re.fullmatch(r"integer +8 B  \S+ \S+  never +n", second)
    found = run("ls", "-l", "--json").json
    assert [(each["type"], each["size"]) for each in found] == [("blob", 5), ("integer", 8)]


def test_stat_shows_what_is_known(run, store):
    run("put", "a", "12345", "--as", "raw")
    run("tag", "a", "x", "y")
    found = run("stat", "a", "--json").json
    assert (found["size"], found["type"], found["expires"]) == (5, "blob", None)
    assert found["tags"] == ["x", "y"]
    assert "tags      x, y" in run("stat", "a").lines


def test_entries_expire_when_that_is_set(run, store):
    run("put", "a", "1")
    assert run("ttl", "a").text == "never\n"
    assert run("ttl", "a", "2h").code == 0
    assert 7190 < run("ttl", "a", "--json").json["ttl"] <= 7200
    assert run("ttl", "a", "never").text == "never\n"
    run("put", "b", "1", "--ttl", "90s")
    assert 80 < run("ttl", "b", "--json").json["ttl"] <= 90


@pytest.mark.parametrize("time", ["x", "3y", "-1", "1e9999", "99999999999d"])
def test_a_time_that_is_none_is_refused(run, store, time):
    run("put", "a", "1")
    assert run("ttl", "a", "--", time).code == 2
    assert run("ttl", "a").text == "never\n"


def test_numbers_are_added_to(run, store):
    run("put", "n", "5", "--type", "integer")
    run("put", "d", "0.5", "--type", "double")
    assert run("incr", "n").text == "6\n"
    assert run("incr", "n", "--", "-10").text == "-4\n"
    assert run("incr", "d").text == "1.5\n"
    assert run("incr", "d", "0.25", "--json").json == {"key": "d", "value": 1.75}
    assert run("incr", "new", "3", "--create").text == "3\n"
    assert run("incr", "new", "3", "--create").text == "6\n"


def test_what_is_no_number_is_not_added_to(run, store):
    run("put", "a", "1")
    assert run("incr", "a").code == 4
    run("put", "n", "1", "--type", "integer")
    assert run("incr", "n", "x").code == 2
    assert run("incr", "n", "0.5").code == 4


def test_tags_are_attached_and_detached(run, store):
    run("put", "a", "1")
    assert run("tag", "a").lines == []
    assert run("tag", "a", "x", "y").lines == ["x", "y"]
    assert run("tag", "a", "x").lines == ["x", "y"]
    assert run("tag", "a", "z", "--rm", "x").lines == ["y", "z"]
    missing = run("tag", "a", "--rm", "q")
    assert missing.code == 0
    assert "'q'" in missing.err


@pytest.mark.parametrize(
    "arguments",
    [["get", "a"], ["ls"], ["stat", "a"], ["ttl", "a"], ["tag", "a"], ["rm", "a"], ["docs"],
     ["download", "a", "-"]],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_store_that_is_misspelt_does_not_come_into_being(run, tmp_path, arguments):
    done = run(*arguments, "--store", f"embedded:{tmp_path / 'misspelt.db'}")
    assert done.code == 3
    assert "misspelt.db" in done.err
    assert [*tmp_path.iterdir()] == []
