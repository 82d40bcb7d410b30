"""Options of a served node: sizes, and which place wins."""

from __future__ import annotations

import argparse
import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storekit.qcache.node.command import parser
from storekit.qcache.node.options import ServeOptions, add_options, read_options
from storekit.qcache.node.units import MOST_BYTES, parse_size

UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def read(*arguments: str, **variables: str) -> ServeOptions:
    return read_options(vars(parser("serve").parse_args(arguments)), variables)


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return f"--config={path}"


# Sizes


@given(
    st.integers(0, 10**6),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["", " "]),
    st.sampled_from([str, str.lower, str.upper]),
)
def test_a_size_is_a_number_of_its_unit(number, unit, blank, case):
    assert parse_size(f"{number}{blank if unit else ''}{case(unit)}") == number * UNITS[unit]


@given(st.decimals(0, 10**6, places=4).map(str), st.sampled_from(sorted(UNITS)))
def test_a_part_of_a_unit_is_exact_or_refused(number, unit):
    exact = Fraction(number) * UNITS[unit]
    if exact.denominator == 1:
        assert parse_size(number + unit) == exact
    else:
        with pytest.raises(ValueError, match="whole number of bytes"):
            parse_size(number + unit)


@given(st.text() | st.from_regex(r"[0-9.,_ +-]*[A-Za-z]*", fullmatch=True))
def test_any_text_is_a_size_or_refused(text):
    try:
        size = parse_size(text)
    except ValueError:
        return
    assert 0 <= size <= MOST_BYTES


@pytest.mark.parametrize(
    "text",
    ["", " ", "GB", "-1", "+1", "1_000", "1,5GB", "1e9", "٣", "1G", "2M", "1GBB", "9EB", "1 0"],
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r"must be a size|has the unit"):
        parse_size(text)


@pytest.mark.parametrize("text", [f"{2**63}", "10000000000TB", "9" * 30])
def test_what_no_machine_has_is_refused(text):
    with pytest.raises(ValueError, match="more than any machine has"):
        parse_size(text)
    assert parse_size(f"{MOST_BYTES}") == MOST_BYTES


# Places


def test_without_anything_options_are_what_they_say():
    assert read() == ServeOptions()


def test_the_command_line_wins_then_the_environment_then_the_file(tmp_path):
    config = written(tmp_path / "node.toml", 'size = "1GB"\nage = 5\nport = 1\n')
    options = read(
        config, "--port=3", STOREKIT_SERVE_PORT="2", STOREKIT_SERVE_AGE="7", OTHER="STOREKIT"
    )
    assert (options.port, options.age, options.size) == (3, 7.0, 10**9)


def test_the_environment_may_name_the_file_and_the_command_line_another(tmp_path):
    (tmp_path / "a.toml").write_text("port = 1\n")
    config = written(tmp_path / "b.toml", "port = 2\n")
    named = {"STOREKIT_SERVE_CONFIG": str(tmp_path / "a.toml")}
    assert read(**named).port == 1
    assert read(config, **named).port == 2


def test_lists_are_lists_in_a_file_and_commas_in_the_environment(tmp_path):
    config = written(tmp_path / "node.toml", 'allow-host = ["a", "b"]\n')
    assert read(config).allow_host == ("a", "b")
    assert read(config, STOREKIT_SERVE_ALLOW_HOST="c, d").allow_host == ("c", "d")
    assert read(config, "--allow-host=e", "--allow-host=f").allow_host == ("e", "f")


def test_a_flag_is_true_or_false_in_each_place(tmp_path):
    config = written(tmp_path / "node.toml", "allow-plain-auth = true\n")
    assert read(config).allow_plain_auth
    assert not read(config, STOREKIT_SERVE_ALLOW_PLAIN_AUTH="no").allow_plain_auth
    assert not read(config, "--no-allow-plain-auth").allow_plain_auth
    assert read("--allow-plain-auth").allow_plain_auth


def test_of_password_and_file_with_it_the_place_that_wins_decides(tmp_path):
    path = tmp_path / "password"
    path.write_text("bob:from-file\n")
    options = read(f"--auth-file={path}", "--allow-plain-auth", STOREKIT_QCACHE_AUTH="ann:other")
    assert options.credentials() == ("bob", "from-file")
    config = written(tmp_path / "node.toml", f'auth-file = "{path}"\nallow-plain-auth = true\n')
    assert read(config, STOREKIT_QCACHE_AUTH="ann:s3:cret").credentials() == ("ann", "s3:cret")


VALUES: dict[str, tuple[str, Any]] = {
    "host": ("::1", "::1"),
    "port": ("0", 0),
    "size": ("1.5KiB", 1536),
    "age": ("0.5", 0.5),
    "allow_host": ("tables.example", ("tables.example",)),
    "allow_origin": ("null", ("null",)),
    "log_level": ("info", "info"),
}


@pytest.mark.parametrize("name", VALUES)
def test_an_option_is_the_same_in_each_place(name, tmp_path):
    text, value = VALUES[name]
    dashed = name.replace("_", "-")
    in_file = f'["{text}"]' if isinstance(value, tuple) else f'"{text}"'
    expected = dataclasses.replace(ServeOptions(), **{name: value})
    assert read(f"--{dashed}={text}") == expected
    assert read(**{f"STOREKIT_SERVE_{name.upper()}": text}) == expected
    of_file = read(written(tmp_path / "node.toml", f"{dashed} = {in_file}"))
    assert dataclasses.replace(of_file, config=None) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("port = 99999", "node.toml: port must be a number from 0 to 65535"),
        ("port = true", "node.toml: port must be a number from 0 to 65535"),
        ("prot = 1", "no option 'prot'; did you mean port?"),
        ("[node]\nport = 1", "no option 'node'"),
        ("size = 1.5", "node.toml: size must be a whole number"),
        ("age = [1]", "node.toml: age must be a number of seconds"),
        ("host = 1", "node.toml: host must be text"),
        ('allow-host = "a"', "node.toml: allow-host must be a list"),
        ("allow-host = [1]", "node.toml: allow-host must be text"),
        ('allow-plain-auth = "perhaps"', "allow-plain-auth must be true or false"),
        ('log-level = "loud"', "log-level must be one of debug, info, warning, error"),
        ("port = ", "node.toml cannot be read"),
        ("auth = 5555", "node.toml: auth must be text"),
        ('auth = "ann:s3cret"\nauth-file = "x"', "not allowed with --auth"),
    ],
)
def test_mistakes_in_a_file_name_the_file_and_the_key(tmp_path, content, words):
    with pytest.raises(ValueError) as caught:
        read(written(tmp_path / "node.toml", content))
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "5555" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"none\.toml cannot be read"):
        read(f"--config={tmp_path / 'none.toml'}")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bytes\.toml cannot be read"):
        read(f"--config={tmp_path / 'bytes.toml'}")


def test_mistakes_in_the_environment_name_the_variable():
    with pytest.raises(ValueError, match="STOREKIT_SERVE_SIZE must be a size"):
        read(STOREKIT_SERVE_SIZE="much")
    with pytest.raises(ValueError, match="STOREKIT_SERVE_SIZ; did you mean STOREKIT_SERVE_SIZE"):
        read(STOREKIT_SERVE_SIZ="1GB")


def test_a_password_does_not_show():
    assert "s3cret" not in repr(ServeOptions(auth="ann:s3cret"))


def test_a_parser_of_others_may_have_the_options():
    others = argparse.ArgumentParser()
    others.add_argument("--mine")
    add_options(others)
    given_ = vars(others.parse_args(["--mine=x", "--size=2kB"]))
    assert read_options(given_, {}).size == 2000
