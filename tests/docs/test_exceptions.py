"""The tables of exceptions have each one, with its bases, and no other."""

import importlib
import inspect
import pkgutil
import re

import pytest

import storekit
from storekit import qcache, qdb, recipes, transfer
from storekit.errors import StoreKitError
from tools.pages import ROOT

PAGE = (ROOT / "docs" / "exceptions.md").read_text()


def table(title):
    """Return the bases of the exceptions in the section of a title."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    found = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if re.fullmatch(r"`\w+`", cells[0]):
            assert len(cells) == 5, line
            found[cells[0].strip("`")] = re.findall(r"`(\w+)`", cells[1])
    return found


@pytest.mark.parametrize(
    ("title", "module"),
    [
        ("Both stores", storekit),
        ("QuasarDB", qdb),
        ("QCache", qcache),
        ("Recipes", recipes),
        ("Transfer", transfer),
    ],
)
def test_a_table_has_each_exception_of_its_module_with_its_bases(title, module):
    exported = {name: getattr(module, name) for name in module.__all__}
    assert table(title) == {
        name: [base.__name__ for base in each.__bases__]
        for name, each in exported.items()
        if inspect.isclass(each) and issubclass(each, Exception)
    }


def test_no_error_of_the_package_is_left_out():
    """Also those that no module of the face exports."""
    for module in pkgutil.walk_packages(storekit.__path__, "storekit."):
        if "__main__" not in module.name and not module.name.startswith("storekit.testing"):
            importlib.import_module(module.name)
    found, waiting = set(), [StoreKitError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("storekit.") and not kind.__name__.startswith("_"):
            found.add(kind.__name__)
    assert {name for name in found if f"{name}`" not in PAGE} == set()
