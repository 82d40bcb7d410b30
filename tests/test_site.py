"""The pages of the site hang together: each has a place, and no link leads nowhere."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, *sorted(ROOT.glob("*.md"))]
TOCTREE = re.compile(r"^```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^( *)(```+|~~~+).*?^\1\2$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
FENCED = re.compile(r"^( *)(```+|~~~+).*?^\1\2$", re.MULTILINE | re.DOTALL)


def _places(page):
    """Return the pages, or patterns of pages, to which the navigation of a page leads."""
    return [
        f"{page.parent.relative_to(DOCS)}/{line}".removeprefix("./")
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
    pages = [str(page.relative_to(DOCS).with_suffix("")) for page in PAGES]
    missing = [page for page in pages if not any(fnmatch(page, place) for place in places)]
    assert missing == ["index"], "where it all begins"


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page):
    assert [*_lead_nowhere(page)] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Here `x`\n[a](#here-x) [b](#there) [c](other.md) `[code](no.md)` [d](page.md#here-x)\n"
    )
    assert [*_lead_nowhere(page)] == ["#there", "other.md"]
