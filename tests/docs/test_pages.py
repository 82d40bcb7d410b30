"""The pages that teach run from top to bottom, as pasted, and print what they show."""

import re

import anyio
import pytest

from tests.support.pages import run
from tools.pages import ROOT, taught

PAGES = taught()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_runs_and_prints_what_it_shows(page):
    anyio.run(run, page)


def test_no_print_has_its_output_behind_its_last_line():
    """There nobody compares it; it belongs into a block of text."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    behind = re.compile(r"^ *\)  # ", re.MULTILINE)
    assert [str(page) for page in pages if behind.search(page.read_text())] == []
