"""`status`, `top`, `ring`, `bench`, `doctor`, `serve`, `completion`."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from storekit.cli import exits
from storekit.cli.measuring import Measured
from storekit.cli.nodes import parse_figures
from storekit.cli.tabular import fitted
from storekit.qcache.ring import HashRing
from storekit.qdb import RawClient
from tests.cli.serving import serving

ALONE = "qcache://127.0.0.1:1"
"""Nobody listens there."""


def test_status_of_a_node_says_what_it_holds(run, served):
    run("post", "status", "-", "--store", served, stdin=b"a\n1\n")
    run("query", "status", "--store", served)
    done = run("status", "--store", served)
    assert done.code == 0
    assert done.lines[0] == "QCache:"
    assert done.lines[1].split()[:4] == ["node", "answer", "tables", "memory"]
    assert done.lines[3].startswith(served.removeprefix("qcache://"))
    found = run("status", "--store", served, "--json").json
    assert found["ok"] is True
    assert found["figures"]["qcache_tables"] >= 1
    assert found["figures"]["qcache_hits_total"] >= 1
    assert abs(found["skew"]) < 2


def test_status_of_a_ring_with_a_node_that_is_out_is_code_3(run, served):
    done = run("status", "--store", f"{served},127.0.0.1:1")
    assert done.code == exits.UNREACHABLE
    assert [line.split()[1] for line in done.lines[3:]][1] == "out"
    assert "127.0.0.1:1" in done.err


def test_status_of_an_embedded_store_counts_its_entries(run, store):
    run("put", "a", "12345", "--as", "raw")
    found = run("status", "--json").json
    assert (found["store"], found["figures"]["entries"]) == ("QuasarDB", 1.0)
    assert run("status").lines[3].split()[-6:-3] == ["1", "5", "B"]


def test_status_shows_both_stores_that_are_named(run, store, served, monkeypatch):
    monkeypatch.setenv("STOREKIT_QCACHE", served)
    stores = [each["store"] for each in run("status", "--json").json]
    assert stores == ["QuasarDB", "QCache"]
    monkeypatch.delenv("STOREKIT_QCACHE")
    monkeypatch.delenv("STOREKIT_QDB")
    assert run("status").code == 2


def test_a_node_that_wants_a_password_is_code_5_and_the_password_is_not_shown(run, tmp_path):
    with serving("--auth", "me:secret", "--allow-plain-auth") as url:
        place = url.replace("http://", "qcache://").rstrip("/")
        refused = run("status", "--store", place)
        assert refused.code == exits.DENIED
        assert run("query", "a", "--store", place).code == exits.DENIED
        config = tmp_path / "c.toml"
        config.write_text(
            f'[storekit]\nqcache = "{place}"\nqcache_options.auth = ["me", "secret"]\n'
        )
        done = run("status", "--config", config, "--verbose")
        assert done.code == 0
        doctor = run("doctor", "--config", config, "--verbose")
        assert "secret" not in done.text + done.err + doctor.text + doctor.err
        config.write_text(
            f'[storekit]\nqcache = "{place}"\nqcache_options.auth = ["me", "wrong-one"]\n'
        )
        wrong = run("query", "a", "--config", config, "--verbose")
        assert wrong.code == exits.DENIED
        assert "wrong-one" not in wrong.err


def test_top_shows_what_is_done_in_a_second(run, served):
    done = run("top", "--store", served, "-n", "2", "--interval", "0.1")
    assert done.code == 0
    assert "hits/s" in done.text
    found = run("top", "--store", served, "-n", "2", "--interval", "0.1", "--json").json
    assert len(found) == 2
    assert found[1]["time"] > found[0]["time"]


def test_ring_tells_which_node_holds_a_key_and_which_follow(run):
    nodes = [f"http://host{number}:9401" for number in (1, 2, 3)]
    url = "qcache://host1:9401,host2:9401,host3:9401"
    for found in run("ring", *"abcdefgh", "--store", url, "--json").json:
        ring = HashRing(nodes)
        assert found["node"] == ring.node_for(found["key"])
        ring.take_out(found["node"])
        assert found["then"][0] == ring.node_for(found["key"])
        assert sorted([found["node"], *found["then"]]) == nodes


# A store that does not answer


@pytest.fixture
def silent():
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept = []
        threading.Thread(target=lambda: _accept(listener, kept), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        for each in kept:
            each.close()


def _accept(listener, kept):
    while True:
        try:
            kept.append(listener.accept()[0])
        except OSError:
            return


@pytest.mark.parametrize(
    "arguments",
    [["query", "a"], ["post", "a", "-"], ["status"], ["doctor"]],
    ids=lambda arguments: arguments[0],
)
def test_a_node_that_does_not_answer_is_code_3_within_the_timeout(run, silent, arguments):
    began = time.monotonic()
    done = run(*arguments, "--store", f"qcache://{silent}", "--timeout", "0.5", stdin=b"a\n1\n")
    assert time.monotonic() - began < 3
    assert done.code == exits.UNREACHABLE
    assert done.err.count("\n") == (arguments[0] != "doctor")
    assert silent in done.err + done.text


def test_a_cluster_that_does_not_answer_is_code_3_within_the_timeout(run, silent):
    pytest.importorskip("quasardb")
    began = time.monotonic()
    done = run("get", "a", "--store", f"qdb://{silent}", "--timeout", "1")
    assert time.monotonic() - began < 6
    assert done.code == exits.UNREACHABLE, done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["query", "a"], ["status"], ["bench"]])
def test_a_node_that_is_not_there_is_code_3(run, arguments):
    done = run(*arguments, "--store", ALONE, "--timeout", "2")
    assert (done.code, done.err.count("\n")) == (exits.UNREACHABLE, 1)


# What is installed


def test_doctor_tells_versions_extras_and_the_c_library(run, store):
    done = run("doctor", "--json")
    assert done.code == 0
    found = {each["what"]: each for each in done.json}
    assert found["Python"]["found"].startswith(sys.version.split()[0])
    assert "lz4" in found["lz4"]["found"]
    assert "trio" in found["trio"]["found"]
    assert "STOREKIT_QDB" in found["settings"]["found"]
    assert store not in found["settings"]["found"], "values of variables may be secret"
    assert found["QuasarDB"]["state"] == "ok"
    assert found["C library"]["state"] in {"ok", "note"}


def test_doctor_tells_why_a_library_was_taken(run, monkeypatch):
    monkeypatch.setenv("STOREKIT_QDB_LIBRARY", "/does/not/exist.so")
    found = {each["what"]: each for each in run("doctor", "--json").json}
    assert found["C library"]["state"] == "note"
    assert "STOREKIT_QDB_LIBRARY" in found["C library"]["found"]


def test_doctor_of_a_store_that_is_out_is_code_3(run):
    done = run("doctor", "--store", ALONE)
    assert done.code == exits.UNREACHABLE
    assert any(line.startswith("!!  QCache") for line in done.lines)


def test_doctor_tells_of_clocks_that_differ(run, store, monkeypatch):
    from datetime import UTC, datetime, timedelta

    assert "clock" in run("doctor").text
    assert "agrees with the local one" in run("doctor").text
    monkeypatch.setattr(
        "storekit.qdb.embedded.status._now",
        (datetime.now(UTC) + timedelta(hours=3)).isoformat,
    )
    # How long the answer was on its way is part of the difference.
    assert re.search(r"10(799|800)\.\d s ahead of the local one", run("doctor").text)


# Measuring


@pytest.mark.parametrize("kind", ["QuasarDB", "QCache"])
def test_bench_measures_each_operation_and_leaves_nothing(run, store, kind, served):
    url = store if kind == "QuasarDB" else served
    done = run("bench", url, "--seconds", "0.05", "--tasks", "4", "--json")
    assert done.code == 0, done.err
    names = {"QuasarDB": ["get", "update", "int_add"], "QCache": ["query", "post"]}[kind]
    asked = [(each["operation"], each["at_once"]) for each in done.json]
    assert asked == [(name, at_once) for name in names for at_once in (1, 4)]
    for each in done.json:
        assert each["a_second"] > 0
        assert 0 < each["median"] <= each["p99"] <= each["longest"]
        assert sum(count for *_, count in each["histogram"]) == each["calls"]
    if kind == "QuasarDB":
        with RawClient(store) as client:
            assert client.prefix_count("storekit-bench") == 0
    else:
        found = run("status", "--store", served, "--json").json
        assert found["figures"]["qcache_deletes_total"] >= 8


def test_bench_draws_a_histogram(run, store):
    done = run("bench", "--seconds", "0.05", "--tasks", "1")
    assert "get, one at a time:" in done.lines
    assert any("█" in line for line in done.lines)


def test_quantiles_are_exact_to_a_few_percent():
    measured = Measured()
    for number in range(1, 1001):
        measured.add(number / 1000)
    for share in (0.5, 0.9, 0.99, 1.0):
        assert measured.quantile(share) == pytest.approx(share, rel=0.05)
    assert measured.longest == 1.0


# Parts


def test_figures_are_added_over_their_labels():
    text = (
        "# HELP a of no use\n"
        'qcache_evictions_total{reason="size"} 2\nqcache_evictions_total{reason="age"} 3\n'
        'x_bucket{le="1"} 7\nx_count 9\nbroken line here\nqcache_tables NaN x\n'
        'qcache_build_info{storekit="0.1.0",polars="2.1"} 1\n'
    )
    figures, version = parse_figures(text)
    assert figures == {"qcache_evictions_total": 5.0, "x_count": 9.0, "qcache_build_info": 1.0}
    assert version == "0.1.0"


@pytest.mark.parametrize(
    ("natural", "room", "widths"),
    [([3, 5], 20, [3, 5]), ([3, 50], 20, [3, 17]), ([50, 3, 50], 20, [8, 3, 9]), ([9], 4, [4])],
)
def test_what_is_narrow_keeps_its_width(natural, room, widths):
    assert fitted(natural, room) == widths


# Serving, and shells


def test_serve_tells_mistakes_in_one_line(run):
    done = run("serve", "--size", "much")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--size" in done.err
    assert run("serve", "--nope").code == 2
    assert run("serve", "--port", "1", "--host", "203.0.113.1").code == 2


def test_serve_takes_a_file_of_options_as_the_node_does(run, tmp_path):
    (tmp_path / "node.toml").write_text("sise = '1GB'\n")
    for arguments in (["serve", "--config"], ["--config"]):
        more = [] if arguments[0] == "serve" else ["serve"]
        done = run(*arguments, tmp_path / "node.toml", *more)
        assert done.code == 2
        assert "sise" in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(run, shell):
    done = run("completion", shell)
    assert done.code == 0
    assert "_STOREKIT_COMPLETE" in done.text
    words = {
        "bash": ("storekit sta", "1"),
        "zsh": ("storekit sta", "1"),
        "fish": ("storekit", "sta"),
    }
    asked = {
        **os.environ,
        "_STOREKIT_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words[shell][0],
        "COMP_CWORD": words[shell][1],
    }
    completed = subprocess.run(
        [sys.executable, "-m", "storekit"], env=asked, check=True, capture_output=True, text=True
    )
    assert "stat" in completed.stdout
    assert "status" in completed.stdout


def test_bash_takes_the_completions(run, tmp_path):
    script = tmp_path / "completion"
    script.write_bytes(run("completion", "bash").out)
    subprocess.run(["bash", "-n", script], check=True)


def test_json_is_whole_lines_for_every_command_that_has_results(run, store):
    run("put", "a", "1")
    for arguments in (["ls"], ["stat", "a"], ["ttl", "a"], ["tag", "a"], ["get", "a"], ["status"]):
        done = run(*arguments, "--json")
        assert done.code == 0
        for line in done.lines:
            assert isinstance(json.loads(line), dict)
