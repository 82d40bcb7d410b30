"""Every Python snippet in README, docs and docstrings runs, on the real server."""

import ast
import inspect
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("**/*.md"))  # the README has a test of its own
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


@pytest.fixture(autouse=True)
def _files_of_snippets_go_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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


@pytest.mark.parametrize(("path", "line", "code"), [*_snippets(README, README.read_text())])
async def test_a_snippet_of_the_readme_prints_what_its_comments_say(path, line, code, capsys):
    """They need no server: the node that the README runs on is in this process."""
    await _run(path, line, code, "http://host1.invalid:9401")
    said = re.findall(r"print\(.*\)  # (.*)", code)
    assert said
    assert capsys.readouterr().out.splitlines() == said


def test_the_readme_is_short():
    assert 75 <= len(README.read_text().splitlines()) <= 130


def test_the_readme_names_every_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    _, _, behind = README.read_text().partition("\n## Install\n")
    section, _, _ = behind.partition("\n## ")
    assert [each for each in project["optional-dependencies"] if f"`{each}`" not in section] == []
