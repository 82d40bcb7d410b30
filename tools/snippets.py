"""The Python snippets of README, pages and docstrings, for those who run and check them.

    python -m tools.snippets

checks the types of all of them in one run of mypy, strictly, and names the lines of the pages.
"""

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.pages import taught, tutorial

__all__ = ["README", "ROOT", "Snippet", "check_types", "of_docstrings", "of_pages", "snippets_in"]

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

_FENCE = re.compile(
    r"^([ ]*)```python\n(.*?)^\1```\n?(?:\n*\1```text\n(.*?)^\1```)?", re.MULTILINE | re.DOTALL
)
_SAID = re.compile(r"print\(.*\)  # (.*)")


@dataclass(frozen=True)
class Snippet:
    """A block of Python in a file, and the line that it begins at."""

    path: Path
    line: int
    code: str
    shown: str = ""
    """The block of text that follows: what it prints."""

    @property
    def name(self) -> str:
        """Where it stands, as editors and terminals take it."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def is_async(self) -> bool:
        """Whether it awaits outside of functions, as notebooks and `python -m asyncio` let it."""
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
        tree = compile(self.code, self.name, "exec", flags=flags)
        return any(_awaits(node) for node in tree.body)

    @property
    def said(self) -> list[str]:
        """The lines that it prints, as a block of text below or comments behind `print` show."""
        return self.shown.splitlines() or _SAID.findall(self.code)


def _awaits(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return False
    if isinstance(node, ast.Await | ast.AsyncWith | ast.AsyncFor):
        return True
    if isinstance(node, ast.comprehension) and node.is_async:
        return True
    return any(_awaits(each) for each in ast.iter_child_nodes(node))


def snippets_in(path: Path) -> Iterator[Snippet]:
    """Find the snippets of a file."""
    text = path.read_text()
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        yield Snippet(path, line, textwrap.dedent(match[2]), textwrap.dedent(match[3] or ""))


def of_pages() -> list[Snippet]:
    """Return the snippets of the pages that do not run as a whole (`tools/pages.py`)."""
    whole = {page.path for page in (*taught(), tutorial())}
    pages = sorted({*(ROOT / "docs").glob("**/*.md")} - whole)
    return [snippet for page in pages for snippet in snippets_in(page)]


def of_docstrings() -> list[Snippet]:
    """Return the snippets of all docstrings."""
    sources = sorted((ROOT / "src").glob("**/*.py"))
    return [snippet for source in sources for snippet in snippets_in(source)]


def check_types(snippets: list[Snippet], place: Path) -> str:
    """Check snippets with mypy, all in one run; return what it says against them, or ""."""
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("*.py"):
        old.unlink()
    written: dict[str, Snippet] = {}
    for number, snippet in enumerate(snippets):
        path = place / f"snippet_{number}.py"
        path.write_text(_as_module(snippet))
        written[path.name] = snippet
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", str(place)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = re.compile(r"^\S*(snippet_\d+\.py)", re.MULTILINE)
    return ran.stderr + names.sub(
        lambda match: str(written[match[1]].path.relative_to(ROOT)), ran.stdout
    )


def _as_module(snippet: Snippet) -> str:
    """Write a snippet as a module, each line where it is on its page."""
    if not snippet.is_async:
        return "\n" * (snippet.line - 1) + snippet.code
    before = "\n" * (snippet.line - 2)
    return f"{before}async def _() -> None:\n{textwrap.indent(snippet.code, '    ')}"


def main() -> None:
    snippets = [*snippets_in(README), *of_pages(), *of_docstrings()]
    against = check_types(snippets, ROOT / "build" / "snippets")
    if against:
        sys.exit(against)
    print(f"{len(snippets)} snippets have the types that they should")


if __name__ == "__main__":
    main()
