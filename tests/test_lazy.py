"""Names that load on first use, and the version, which is one of them."""

import importlib.metadata
import sys
import types

import pytest

import storekit
from storekit._lazy import lazy_names


@pytest.fixture
def package(monkeypatch):
    """An empty package `colours` that has `red` by that name and `blue` by another."""
    module = types.ModuleType("colours")
    module.__path__ = []
    inner = types.ModuleType("colours.inner")
    inner.red, inner.azure = "red", "blue"
    monkeypatch.setitem(sys.modules, "colours", module)
    monkeypatch.setitem(sys.modules, "colours.inner", inner)
    homes = {"red": ".inner", "blue": ".inner:azure"}
    module.__getattr__, module.__dir__ = lazy_names("colours", homes)
    return module


def test_a_name_comes_from_its_module(package):
    assert package.red == "red"


def test_a_name_may_be_another_one_in_its_module(package):
    assert package.blue == "blue"


def test_a_name_is_looked_up_once(package, monkeypatch):
    assert "red" not in vars(package)
    assert package.red == "red"
    assert vars(package)["red"] == "red"


def test_a_name_that_is_not_there_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match="module 'colours' has no attribute 'green'"):
        package.green  # noqa: B018


def test_names_are_listed_before_they_are_loaded(package):
    assert {"red", "blue"} <= set(dir(package))


def test_the_version_is_that_of_the_distribution():
    assert storekit.__version__ == importlib.metadata.version("storekit")
