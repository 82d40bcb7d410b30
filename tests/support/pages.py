"""Runs a page of the documentation from top to bottom, as a reader would paste it."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import re

from tools.pages import Block, Page, groups, is_expression

__all__ = ["run"]

_SAID = re.compile(r"^\s*print\(.*\)  # (.*)$", re.MULTILINE)


async def run(page: Page) -> int:
    """Run all Python blocks of a page in one namespace; return how many outputs were compared.

    The output of a block is in a block of text right behind it, or in comments behind its prints.
    """
    names: dict[str, object] = {"__name__": "__page__"}
    compared = 0
    for group in groups(page):
        for number, block in enumerate(group):
            if block.language != "python":
                continue
            after = group[number + 1] if number + 1 < len(group) else None
            compared += await _run(page, block, after, names)
    return compared


async def _run(page: Page, block: Block, after: Block | None, names: dict[str, object]) -> int:
    source = "\n" * (block.line - 1) + block.text
    code = compile(source, str(page.path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        if code.co_flags & inspect.CO_COROUTINE:
            await eval(code, names)
        else:
            exec(code, names)
    if after is not None and after.language == "text" and not is_expression(block):
        wanted = after.text
    else:
        wanted = "".join(f"{line}\n" for line in _SAID.findall(block.text))
    where = f"{page.name}:{block.line}"
    assert said.getvalue() == wanted, f"{where} prints\n{said.getvalue()}and shows\n{wanted}"
    return bool(wanted)
