"""What tables and others may hold against the page, in a real browser."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.node.console.browser.browsing import FailedVisit, Visit
from tests.node.console.browser.showing import (
    ANSWER,
    CITIES,
    MARKUP,
    MEGABYTE,
    RTL,
    SCRIPT,
    SQL,
    Shown,
    answered,
    ask,
    rows,
    texts,
)
from tests.node.serving import Serving

pytestmark = pytest.mark.slow


# Hostile content


def test_a_hostile_table_is_text(shown):
    with shown.visit() as visit:
        page = visit.open("/#/tables/hostile")
        page.wait_for_selector("#table-rows .grid")
        names = texts(page, "#table-rows thead bdi")
        cells = dict(zip(names, page.locator("#table-rows tbody td").all(), strict=True))
        assert names == ["no name", "ESC]0;BEL", MARKUP, "big", "rtl"]
        assert cells[MARKUP].text_content() == SCRIPT
        assert cells[names[1]].text_content() == "NULESC[31m\u21b5U+2028"
        text = cells["rtl"].locator("bdi")
        assert text.text_content() == RTL.replace("\u202e", "U+202E")
        assert text.evaluate("element => getComputedStyle(element).unicodeBidi") == "isolate"
        assert page.locator("main img, main script").count() == 0
        visit.open("/#/query?table=hostile")
        page.wait_for_selector("#query-examples li")
        page.click("#query-run")
        answered(page)
        assert SCRIPT in rows(page)[0]
        for tab in ("chart", "json", "table"):
            page.click(f"#tab-{tab}")
        assert page.locator("main img, main script").count() == 0


def test_a_cell_of_a_megabyte_is_cut_and_can_be_read(shown):
    with shown.visit() as visit:
        page = visit.open("/#/tables/hostile")
        page.wait_for_selector("#table-rows .grid")
        assert page.evaluate("document.querySelector('main').textContent.length") < 5000
        started = time.monotonic()
        page.click("#table-rows .more")
        page.wait_for_selector("#cell-more:not([hidden])")
        assert page.text_content("#cell-text") == MEGABYTE[:65_536]
        assert page.text_content("#cell-size") == "65,536 of 1,048,576 characters"
        page.click("#cell-more")
        page.wait_for_selector("#cell-size >> text=131,072 of")
        assert time.monotonic() - started < 10
        page.keyboard.press("Escape")
        page.wait_for_selector("#cell-dialog", state="hidden")
        # The focus is where it was.
        assert page.evaluate("document.activeElement.className") == "more"


def test_a_cell_of_an_answer_can_be_read_too(shown):
    with shown.visit() as visit:
        page = visit.open("/#/query")
        ask(page, "SELECT big, rtl FROM hostile")
        answered(page)
        page.click("#result-rows .more")
        page.wait_for_selector("#cell-size >> text=65,536 of 1,048,576 characters")
        assert page.text_content("#cell-text") == MEGABYTE[:65_536]


# Access


@pytest.fixture(scope="module")
def guarded(browser) -> Iterator[Shown]:
    server = Serving("--allow-plain-auth", STOREKIT_QCACHE_AUTH="ann:s3cret")
    try:
        shown = Shown(browser, server)
        shown.web.auth = ("ann", "s3cret")
        with closing(shown.web):
            shown.post("cities", CITIES)
            yield shown
    finally:
        server.end()


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_the_password_there_is_nothing(guarded, password):
    credentials = None if password is None else {"username": "ann", "password": password}
    visit = Visit(guarded.browser, guarded.url, http_credentials=credentials)
    statuses = set()
    visit.page.on("response", lambda answer: statuses.add(answer.status))
    with closing(visit.context):
        with contextlib.suppress(FailedVisit):  # there is nothing to be shown
            visit.open()
        assert statuses == {401}
        assert visit.page.locator("#main").count() == 0


def test_with_the_password_all_works(guarded):
    credentials = {"username": "ann", "password": "s3cret"}
    visit = Visit(guarded.browser, guarded.url, http_credentials=credentials)
    with closing(visit.context):
        page = visit.open()
        page.wait_for_selector("#tables-body >> text=cities")
        visit.open("/#/query")
        ask(page, SQL)
        answered(page)
        assert rows(page) == ANSWER


@pytest.fixture
def foreign(tmp_path) -> Iterator[Callable[[str], str]]:
    """A web site of somebody else, on this machine."""
    handler = functools.partial(_Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def publish(content: str) -> str:
            (tmp_path / "page.html").write_text(content)
            return f"http://127.0.0.1:{server.server_port}/page.html"

        try:
            yield publish
        finally:
            server.shutdown()
            thread.join()


LOAD_SCRIPT = """
(url) => new Promise((done) => {
  const script = document.createElement("script");
  script.addEventListener("error", () => done("refused"));
  script.addEventListener("load", () => done("loaded"));
  script.src = url;
  document.body.append(script);
})
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_the_page_of_another_origin_can_neither_read_nor_frame_it(shown, foreign):
    url = foreign(f"<p>elsewhere</p><iframe src='{shown.url}/'></iframe>")
    before = shown.life()
    visit = Visit(shown.browser, url.removesuffix("/page.html"))
    with closing(visit.context):
        page = visit.open("/page.html")
        for path, method in [
            ("/", "GET"),
            ("/console/data/life", "GET"),
            ("/console/data/tables", "GET"),
            ("/console/data/query", "POST"),
        ]:
            body = ', body: \'{"key": "cities"}\'' if method == "POST" else ""
            for mode in ("cors", "no-cors"):
                code = f"fetch('{shown.url}{path}', {{method: '{method}', mode: '{mode}'{body}}})"
                read = f"{code}.then(answer => answer.text()).catch(error => error.name)"
                assert page.evaluate(read) in ("TypeError", "")
        frame = page.frames[1]
        assert frame.url.startswith("chrome-error:") or frame.query_selector("#main") is None
        assert page.evaluate(LOAD_SCRIPT, f"{shown.url}/console/theme.js") == "refused"
    assert shown.life()["hits"] == before["hits"]
