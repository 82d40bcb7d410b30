"""Documentation holds: snippets run, links lead somewhere, all public names are described."""

import ast
import importlib
import inspect
import os
import re
import tomllib
from fnmatch import fnmatch

import pytest

from tools.pages import taught, tutorial
from tools.snippets import README, ROOT, of_docstrings, of_pages, snippets_in

PAGES = sorted((ROOT / "docs").glob("**/*.md"))
PLACEHOLDER = re.compile(r"http://host\d:9401")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Leave the settings of whoever runs the tests out, and what is none but has such a name."""
    for name in [each for each in os.environ if each.startswith("STOREKIT_")]:
        monkeypatch.delenv(name)


def _each(snippets, *, is_async):
    chosen = [snippet for snippet in snippets if snippet.is_async is is_async]
    return pytest.mark.parametrize(
        "snippet", [pytest.param(snippet, id=snippet.name) for snippet in chosen]
    )


def _compiled(snippet, url):
    code = "\n" * (snippet.line - 1) + PLACEHOLDER.sub(url, snippet.code)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if snippet.is_async else 0
    return compile(code, str(snippet.path), "exec", flags=flags, dont_inherit=True)


def _run(snippet, url, capsys):
    exec(_compiled(snippet, url), {"__name__": "__main__"})
    if snippet.said:
        assert capsys.readouterr().out.splitlines() == snippet.said


async def _run_async(snippet, url, capsys):
    await eval(_compiled(snippet, url), {"__name__": "__main__"})
    if snippet.said:
        assert capsys.readouterr().out.splitlines() == snippet.said


@pytest.fixture(autouse=True)
def _files_of_snippets_go_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@_each(of_pages(), is_async=False)
def test_a_snippet_of_a_page_runs_and_prints_what_is_shown(snippet, qcache_node, capsys):
    _run(snippet, qcache_node.url, capsys)


@_each(of_pages(), is_async=True)
async def test_an_async_snippet_of_a_page_runs_and_prints_what_is_shown(
    snippet, qcache_node, capsys
):
    await _run_async(snippet, qcache_node.url, capsys)


@_each(of_docstrings(), is_async=False)
def test_a_snippet_of_a_docstring_runs(snippet, qcache_node, capsys):
    _run(snippet, qcache_node.url, capsys)


@_each(of_docstrings(), is_async=True)
async def test_an_async_snippet_of_a_docstring_runs(snippet, qcache_node, capsys):
    await _run_async(snippet, qcache_node.url, capsys)


@pytest.mark.parametrize("snippet", [*snippets_in(README)], ids=lambda snippet: snippet.name)
def test_a_snippet_of_the_readme_runs_and_prints_what_is_shown(snippet, capsys):
    """They need no server, and are programs: the stores are in this process."""
    assert not snippet.is_async
    _run(snippet, "http://host1.invalid:9401", capsys)
    assert snippet.said


def test_there_are_snippets_to_run():
    assert len(of_pages()) >= 10
    assert len(of_docstrings()) >= 2
    assert any(snippet.said for snippet in of_pages())


def test_the_generated_docs_show_the_sync_client():
    from storekit.qcache import QClient

    assert "with QClient(" in QClient.__doc__


def test_the_readme_is_short():
    assert 75 <= len(README.read_text().splitlines()) <= 130


def test_every_extra_is_named_where_one_installs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "install.md").read_text()
    assert [each for each in project["optional-dependencies"] if f"`{each}`" not in page] == []


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
    "storekit.observers.opentelemetry_metrics",
    "storekit.observers.prometheus",
    "storekit.qcache",
    "storekit.qcache.node",
    "storekit.qcache.query",
    "storekit.qcache.sql",
    "storekit.qdb",
    "storekit.recipes",
    "storekit.testing",
    "storekit.transfer",
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


def test_every_operation_of_the_clients_has_an_example():
    """The examples of pages that run as a whole count, too."""
    import storekit

    shown = "\n".join(
        [*(snippet.code for snippet in of_pages())]
        + [block.text for page in [*taught(), tutorial()] for block in page.blocks()]
    )
    for cls in (storekit.qdb.Client, storekit.qcache.QClient, storekit.StoreKit):
        public = {
            name
            for name, value in inspect.getmembers_static(cls)
            if not name.startswith("_") and (callable(value) or isinstance(value, classmethod))
        }
        missing = {name for name in public if not re.search(rf"\.{name}\(", shown)}
        assert missing == set(), f"show them on the page of {cls.__name__} in docs/reference"
