"""The pages that teach run from top to bottom, as pasted, and print what they show."""

import pytest

from tests.support.pages import run
from tools.pages import taught

PAGES = taught()


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_a_page_runs_and_prints_what_it_shows(page):
    await run(page)
