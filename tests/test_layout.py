"""The tree is what `docs/inside.md` says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "storekit"
PAGE = ROOT / "docs" / "inside.md"


def written() -> list[Path]:
    """Return the modules that are written by hand: a generated twin has the names of its source."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "_sync" not in path.parent.parts]


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
