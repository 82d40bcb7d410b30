"""Documentation holds: snippets run, links lead somewhere, all public names are described."""

import ast
import importlib
import inspect
import re
import textwrap
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tools.pages import taught

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TAUGHT = {page.path for page in taught()}  # run as whole pages, in tests/docs
PAGES = sorted({*(ROOT / "docs").glob("**/*.md")} - TAUGHT)  # the README has a test of its own
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


# The site

TOCTREE = re.compile(r"^```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^( *)(```+|~~~+).*?^\1\2$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1\2$", re.MULTILINE | re.DOTALL)


def _places(page):
    """Return the pages, or patterns of pages, to which the navigation of a page leads."""
    return [
        f"{page.parent.relative_to(ROOT / 'docs')}/{line}".removeprefix("./")
        for entries in TOCTREE.findall(page.read_text())
        for line in entries.split()
    ]


def _anchors(page):
    """Return the anchors that GitHub and the site make of the headings of a page."""
    seen, anchors = {}, set()
    for heading in HEADING.findall(FENCED.sub("", page.read_text())):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        anchors.add(f"{slug}-{count}" if count else slug)
    return anchors


def _lead_nowhere(page):
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue  # other sites may be away; CI asks none
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        has_anchors = there.exists() and there.suffix == ".md"
        if not there.exists() or (anchor and has_anchors and anchor not in _anchors(there)):
            yield target


def test_every_page_has_a_place_in_the_navigation():
    places = [place for page in PAGES for place in _places(page)]
    assert len(places) >= 20
    pages = [str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES]
    missing = [page for page in pages if not any(fnmatch(page, place) for place in places)]
    assert missing == ["index"], "where it all begins"


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted(ROOT.glob("*.md"))], ids=lambda page: str(page.relative_to(ROOT))
)
def test_no_link_leads_nowhere(page):
    assert [*_lead_nowhere(page)] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Here `x`\n[a](#here-x) [b](#there) [c](other.md) `[code](no.md)` [d](page.md#here-x)\n"
    )
    assert [*_lead_nowhere(page)] == ["#there", "other.md"]


MODULES = [
    "storekit",
    "storekit.codecs",
    "storekit.codecs.tables",
    "storekit.core",
    "storekit.kit",
    "storekit.observers",
    "storekit.observers.opentelemetry",
    "storekit.qcache",
    "storekit.qcache.node",
    "storekit.qcache.query",
    "storekit.qcache.sql",
    "storekit.qdb",
    "storekit.recipes",
    "storekit.testing",
]
API = re.compile(r"^```\{api\} (.+)\n((?::.*\n)?)\n?((?:\w.*\n)+)```", re.MULTILINE)


def _described():
    """Return what the reference describes: objects of modules, and names of methods by class."""
    objects, methods, whole = [], {}, []
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for owners, option, lines in API.findall(page.read_text()):
            for owner, each in [
                (owner, each)
                for owner in owners.split(" = ")
                for line in lines.split("\n")
                for each in line.split(" = ")
                if each
            ]:
                module, _, cls = owner.rpartition(".")
                if cls[0].isupper():
                    methods.setdefault(getattr(importlib.import_module(module), cls), set()).add(
                        each
                    )
                else:
                    objects.append(getattr(importlib.import_module(owner), each))
                    if not option:
                        whole.append(objects[-1])
    return objects, methods, whole


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module):
    described, _, _ = _described()
    module = importlib.import_module(module)
    missing = [
        name
        for name in module.__all__
        if not any(getattr(module, name) is each for each in described)
    ]
    assert missing == [], "write them on a page of docs/reference"


def test_every_method_of_a_client_is_in_the_reference():
    objects, methods, whole = _described()
    parted = [each for each in objects if each not in whole and each in methods]
    assert len(parted) >= 2
    for cls in parted:
        public = {
            name
            for name, value in inspect.getmembers_static(cls)
            if not name.startswith("_")
            and (callable(value) or isinstance(value, property | classmethod | staticmethod))
        }
        listed = {name if hasattr(cls, name) else name.removeprefix("a") for name in methods[cls]}
        assert public - listed == set(), f"write them on the page of {cls.__name__}"
