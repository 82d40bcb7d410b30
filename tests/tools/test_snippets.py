"""Snippets are found on their pages, with what they print, and their types are checked."""

import subprocess

import pytest

from tools import snippets
from tools.snippets import check_types, snippets_in

PAGE = """# Page

```python
import math

print(math.pi > 3)  # True
```

* in a list:

  ```python
  await sleep(0)
  print("a")
  print("b")
  ```

  ```text
  a
  b
  ```
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(snippets, "ROOT", tmp_path)
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_a_snippet_knows_its_place_and_what_it_prints(page):
    first, second = snippets_in(page)
    assert (first.name, first.said, first.is_async) == ("page.md:4", ["True"], False)
    assert (second.name, second.said, second.is_async) == ("page.md:12", ["a", "b"], True)


def test_a_wrong_type_is_named_with_its_line_on_the_page(page, tmp_path, monkeypatch):
    asked = {}

    def mypy(command, **options):
        asked["files"] = sorted(path.name for path in (tmp_path / "place").glob("*.py"))
        lines = (tmp_path / "place" / "snippet_1.py").read_text().splitlines()
        asked["line"] = lines.index("    await sleep(0)") + 1
        said = f"{tmp_path}/place/snippet_1.py:12: error: no such name\n"
        return subprocess.CompletedProcess(command, 1, said, "")

    monkeypatch.setattr(subprocess, "run", mypy)
    against = check_types([*snippets_in(page)], tmp_path / "place")
    assert against == "page.md:12: error: no such name\n"
    assert asked == {"files": ["snippet_0.py", "snippet_1.py"], "line": 12}
