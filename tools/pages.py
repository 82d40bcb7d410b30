"""The fenced blocks of the pages in `docs`. `python -m tools.pages` checks the types of all Python.

The lines of a page stay the lines of what is checked, so what mypy says of a line is there.
"""

import ast
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Block", "Page", "as_module", "groups", "is_expression", "taught", "tutorial"]

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(r"^([ ]*)```(\w+)\n(.*?)^\1```[ ]*\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what is in it, and the line on which that begins."""

    language: str
    text: str
    line: int
    follows: bool
    """Whether nothing but blank lines is between it and the block before."""


@dataclass(frozen=True)
class Page:
    """A page of the documentation."""

    path: Path

    @property
    def name(self) -> str:
        """The path in the checkout."""
        return str(self.path.relative_to(ROOT))

    def blocks(self) -> list[Block]:
        """Return the fenced blocks that name a language."""
        text = self.path.read_text()
        found: list[Block] = []
        end = 0
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            follows = bool(found) and not text[end : match.start()].strip()
            found.append(Block(match[2], textwrap.dedent(match[3]), line, follows))
            end = match.end()
        return found


TAUGHT = ("queries/*.md",)  # fmt: skip
"""Pages whose blocks run one after the other in one namespace, as a reader pastes them."""

PROGRAMS = "tutorial.md"
"""The page whose blocks are files, each a program."""


def taught() -> list[Page]:
    """Return the pages that are run as a whole."""
    docs = ROOT / "docs"
    return [Page(path) for pattern in TAUGHT for path in sorted(docs.glob(pattern))]


def tutorial() -> Page:
    """Return the page whose blocks are saved as files, and run by the commands below them."""
    return Page(ROOT / "docs" / PROGRAMS)


def groups(page: Page) -> Iterator[list[Block]]:
    """Yield runs of blocks that have nothing but blank lines between them."""
    group: list[Block] = []
    for block in page.blocks():
        if group and not block.follows:
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def is_expression(block: Block) -> bool:
    """Tell whether a block of Python is one expression, which shows itself and prints nothing."""
    if block.language != "python":
        return False
    body = ast.parse(block.text).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        return False
    value = body[0].value
    return not (isinstance(value, ast.Call) and getattr(value.func, "id", "") == "print")


def as_module(page: Page) -> str:
    """Return the Python of a page as one function, each line where the page has it."""
    lines = ["async def page() -> None:"]
    for block in page.blocks():
        if block.language == "python":
            lines += [""] * (block.line - 1 - len(lines))
            lines += [f"    {line}" if line else "" for line in block.text.splitlines()]
    return "\n".join([*lines, "    pass", ""])


def main() -> int:
    """Check the types of all that is taught; return the exit status of mypy."""
    with tempfile.TemporaryDirectory() as folder:
        for page in taught():
            name = re.sub(r"\W", "_", page.name.removesuffix(".md"))
            (Path(folder) / f"{name}.py").write_text(as_module(page))
        for block in tutorial().blocks():
            if block.language == "python":
                text = "\n" * (block.line - 1) + block.text
                (Path(folder) / f"tutorial_line_{block.line}.py").write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", folder]
        return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
