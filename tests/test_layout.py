"""The tree is what `docs/inside.md` says, and each class in it has a name of its own."""

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "storekit"
PAGE = ROOT / "docs" / "inside.md"


LONGEST = 400
"""Lines of a module; one that lists operations, each with its overloads, may have half more."""

LISTS = {
    "qcache/_async/queries.py",
    "qcache/query/expressions.py",
    "qdb/_async/operations.py",
    "qdb/_async/store.py",
    "qdb/embedded/operations.py",
    "qdb/engine.py",
}


def written() -> list[Path]:
    """Return the modules, but for the sync twins, which have the names of the async ones."""
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if "_sync" not in path.relative_to(PACKAGE).with_suffix("").parts
    ]


def named_paths() -> list[str]:
    spans = re.findall(r"`([^`\n]+)`", PAGE.read_text())
    return [span for span in spans if re.fullmatch(r"[\w.-]+(/[\w.-]*)+|\w+\.(py|md|toml)", span)]


def test_the_page_names_many_paths_and_each_exists():
    paths = named_paths()
    assert len(paths) >= 60
    assert [
        path for path in paths if not ((PACKAGE / path).exists() or (ROOT / path).exists())
    ] == []


def test_the_page_names_each_room():
    rooms = {
        f"{path.parent.relative_to(PACKAGE)}/"
        for path in written()
        if path.name == "__init__.py" and path.parent != PACKAGE and path.parent.name != "_async"
    }
    assert rooms - {*named_paths()} == set()


def test_tables_that_the_page_names_are_where_it_says():
    """Of a line such as `NAME` in `file`, the file has the name."""
    found = re.findall(r"((?:`\w+`(?:, | and ))*`\w+`) in `([\w/]+\.py)`", PAGE.read_text())
    assert len(found) >= 5
    for names, path in found:
        text = (PACKAGE / path).read_text()
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^(class )?{name}\b", text, re.MULTILINE), f"{name} in {path}"


def test_contracts_of_imports_name_each_half_of_a_room():
    """A room that is forgotten in them may import what it likes."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contracts = {contract["name"]: contract for contract in linter["contracts"]}
    sync = contracts["The sync side never reaches for the async one"]
    seam = contracts["Only the seam and the threads ask event loops"]
    halves = {
        half: {
            ".".join(path.parent.relative_to(PACKAGE.parent).parts)
            for path in PACKAGE.rglob(f"{half}/__init__.py")
        }
        for half in ("_async", "_sync")
    }
    assert halves["_sync"] <= {*sync["source_modules"]}
    assert halves["_async"] <= {*sync["forbidden_modules"]}
    assert halves["_async"] <= {*seam["source_modules"]}


def test_each_class_has_a_name_of_its_own():
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in written():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def imported(path: Path, modules: dict[str, Path]) -> set[str]:
    """Return the modules of the package that one imports, also on use, but for types alone."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in for_types:
            inside = {f"{node.module}.{each.name}" for each in node.names} & modules.keys()
            found |= inside or {node.module}
    return found & modules.keys()


def test_no_modules_import_each_other_in_a_circle():
    names = {path: path.relative_to(PACKAGE.parent).with_suffix("").parts for path in written()}
    modules = {".".join(parts).removesuffix(".__init__"): path for path, parts in names.items()}
    left = {name: imported(path, modules) for name, path in modules.items()}
    while free := {name for name, needed in left.items() if not needed & left.keys()}:
        left = {name: needed for name, needed in left.items() if name not in free}
    assert left == {}


def test_no_module_is_longer_than_can_be_read_in_one_go():
    lines = {str(path.relative_to(PACKAGE)): path.read_text().count("\n") for path in written()}
    assert {path for path, many in lines.items() if many > LONGEST} <= LISTS
    assert {path: lines[path] for path in LISTS if lines[path] > LONGEST * 3 // 2} == {}


def test_tests_that_are_listed_as_slow_are_in_files_that_exist():
    names = (ROOT / "tests" / "data" / "slow.txt").read_text().splitlines()
    paths = {name.partition("::")[0] for name in names}
    assert len(paths) >= 100
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
