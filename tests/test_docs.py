"""Every Python snippet in README, docs and docstrings runs, on the real server."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
SOURCES = sorted((ROOT / "src").glob("**/*.py"))
FENCE = re.compile(r"^([ ]*)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"http://host\d:9401")


def _snippets(path, text):
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        yield pytest.param(
            path, line, textwrap.dedent(match[2]), id=f"{path.relative_to(ROOT)}:{line}"
        )


def _page_snippets():
    return [snippet for page in PAGES for snippet in _snippets(page, page.read_text())]


def _docstring_snippets():
    return [snippet for source in SOURCES for snippet in _snippets(source, source.read_text())]


def _compile(path, line, code, url):
    code = PLACEHOLDER.sub(url, code)
    return compile(
        "\n" * (line - 1) + code, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    )


async def _run(path, line, code, url):
    names = {"__name__": "__snippet__"}
    exec("from storekit.qcache import AsyncQClient, QClient", names)  # said earlier on the page
    compiled = _compile(path, line, code, url)
    if compiled.co_flags & inspect.CO_COROUTINE:
        await eval(compiled, names)
    else:
        exec(compiled, names)


@pytest.mark.parametrize(("path", "line", "code"), _page_snippets())
async def test_a_snippet_of_the_documentation_runs(path, line, code, qcache_node):
    await _run(path, line, code, qcache_node.url)


@pytest.mark.parametrize(("path", "line", "code"), _docstring_snippets())
async def test_a_snippet_of_a_docstring_runs(path, line, code, qcache_node):
    await _run(path, line, code, qcache_node.url)


def test_there_are_snippets_to_run():
    assert len(_page_snippets()) >= 10
    assert len(_docstring_snippets()) >= 2


def test_the_generated_docs_show_the_sync_client():
    from storekit.qcache import QClient

    assert "with QClient(" in QClient.__doc__


def test_what_a_snippet_prints_is_what_its_comment_says(start_qcache, capsys):
    page = ROOT / "README.md"
    blocks = [code for _, _, code in (p.values for p in _snippets(page, page.read_text()))]
    sync_block = next(code for code in blocks if "with QClient" in code)
    exec(compile(PLACEHOLDER.sub(start_qcache().url, sync_block), str(page), "exec"), {})
    said = re.findall(r"print\(.*\)  # (.*)", sync_block)
    assert capsys.readouterr().out.splitlines() == said
