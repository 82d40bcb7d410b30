"""The page of settings has each variable, key, argument and default of the code, and no other."""

import dataclasses
import inspect
import re

import pytest

from storekit import PoolLimits, RetryPolicy, Settings
from storekit.kit.urls import FORMS
from storekit.qcache import AsyncQClient, QClient
from storekit.qcache.node import Node, application
from storekit.qcache.node.options import AUTH_VARIABLE, ServeOptions
from storekit.qdb import AsyncClient, AsyncRawClient, Client, RawClient, SessionOptions
from tools.pages import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text()


def rows(title):
    """Return the cells of the table in the section of a title."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(cell):
    return re.findall(r"`(\w+)`", cell)


def _shown(default):
    if inspect.isbuiltin(default):
        return f"time.{default.__name__}"
    return repr(default).replace("'", '"')


def defaults_of(callable_, *, without=()):
    return {
        name: _shown(each.default)
        for name, each in inspect.signature(callable_).parameters.items()
        if each.default is not inspect.Parameter.empty and name not in without
    }


def shown(title, column=1):
    return {names(row[0])[0]: row[column].strip("`") for row in rows(title)}


def test_each_setting_of_a_kit_has_its_key_its_variable_and_its_default():
    title = "A kit: environment and TOML"
    defaults = defaults_of(Settings) | {"qdb_options": "{}", "qcache_options": "{}"}
    assert shown(title, 2) == defaults
    for row in rows(title):
        (key,) = names(row[0])
        assert row[1].startswith(f"`STOREKIT_{key.upper()}")


@pytest.mark.parametrize("kinds", [(Client, RawClient), (AsyncClient, AsyncRawClient)])
def test_the_arguments_of_the_clients_of_quasardb(kinds):
    rich, raw = kinds
    assert shown("QuasarDB's clients") == defaults_of(raw) | defaults_of(rich)


@pytest.mark.parametrize("kind", [QClient, AsyncQClient])
def test_the_arguments_of_the_clients_of_qcache(kind):
    assert shown("QCache's clients") == defaults_of(kind)


@pytest.mark.parametrize(("title", "kind"), [("Limits", PoolLimits), ("Retries", RetryPolicy)])
def test_the_options_of_both_stores(title, kind):
    assert shown(title) == defaults_of(kind)


def test_the_options_of_sessions():
    found = [name for row in rows("Sessions with a cluster") for name in names(row[0])]
    assert sorted(found) == sorted(each.name for each in dataclasses.fields(SessionOptions))


def test_the_options_of_a_node_on_a_port():
    served = [row for row in rows("A node") if len(row) == 4]
    for row in served:
        (option,) = re.findall(r"`([\w-]+)`", row[0])
        variable = AUTH_VARIABLE if option == "auth" else option.replace("-", "_").upper()
        assert row[1] == f"`{variable}`"
    assert {row[0].strip("`").replace("-", "_"): row[2].strip("`") for row in served} == {
        each.name: _shown(each.default) for each in dataclasses.fields(ServeOptions)
    }


def test_the_arguments_of_a_node_in_a_program():
    made = {names(row[0])[0]: row[1].strip("`") for row in rows("A node") if len(row) == 3}
    assert made == defaults_of(Node) | defaults_of(application)


def test_the_forms_of_urls():
    table = "".join(row[0] for row in rows("URLs"))
    for form in re.findall(r"[a-z+]+:(?://)?", FORMS):
        assert form in table


def test_each_variable_that_the_code_reads_is_named():
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    known = {
        "STOREKIT_QCACHE_SERVER",  # of the tests
        "STOREKIT_COMPLETE",  # between the shell's completion and the command
    }
    read = set(re.findall(r"STOREKIT_[A-Z_]*[A-Z]", sources)) - known
    assert {name for name in read if name not in PAGE} == set()
