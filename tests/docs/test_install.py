"""The page about installing names what there is to install, and what was run."""

import tomllib

from tools.pages import ROOT

PAGE = (ROOT / "docs" / "install.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_each_extra_has_a_row():
    assert [extra for extra in PROJECT["optional-dependencies"] if f"`{extra}`" not in PAGE] == []


def test_the_pythons_that_the_tests_run_on_are_those_of_the_classifiers():
    prefix = "Programming Language :: Python :: 3."
    minors = [each.removeprefix(prefix) for each in PROJECT["classifiers"] if prefix in each]
    (row,) = (line for line in PAGE.splitlines() if line.startswith("| Linux on x86-64"))
    assert ", ".join(f"3.{minor}" for minor in minors) in row
