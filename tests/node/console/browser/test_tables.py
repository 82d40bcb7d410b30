"""The tables of a node, and one of them, in a real browser."""

from __future__ import annotations

import re
import time
from contextlib import closing

import pytest

from tests.node.console.browser.browsing import Visit
from tests.node.console.browser.showing import Shown, answered, ask, rows, see, texts
from tests.node.serving import Serving

pytestmark = pytest.mark.slow


# Loading


def test_it_loads_and_lists_the_tables(shown):
    with shown.visit() as visit:
        page = visit.open()
        page.wait_for_selector("#tables-body tr")
        assert page.title() == "Tables \u2013 QCache node"
        (line,) = [each for each in texts(page, "#tables-body tr") if each.startswith("cities")]
        assert re.match(r"cities\s*5\s*5", line)
        assert texts(page, "#tables-body th") == ["cities", "days", "hostile"]
        assert page.text_content("#state") == "live"
        assert page.text_content("#foot").startswith("storekit ")
        loaded = {url.removeprefix(shown.url).partition("?")[0] for url in visit.requests}
        assert {"/", "/console/main.js", "/console/console.css", "/console/data/life"} <= loaded


def test_figures_are_aligned_and_the_largest_come_first(shown):
    with shown.visit() as visit:
        page = visit.open()
        page.click("#tables-head >> text=Memory")
        page.wait_for_selector("[aria-sort=descending] >> text=Memory")
        see(page, "#tables-body tr:first-child", "hostile")
        page.click("#tables-head >> text=Memory")
        page.wait_for_selector("[aria-sort=ascending] >> text=Memory")
        see(page, "#tables-body tr:last-child", "hostile")
        cell = page.locator("#tables-body td.number").first
        assert cell.evaluate("each => getComputedStyle(each).textAlign") == "right"
        style = cell.evaluate("each => getComputedStyle(each).fontVariantNumeric")
        assert style == "tabular-nums"


def test_many_tables_are_paged_and_found_by_their_key(browser):
    server = Serving()
    try:
        shown = Shown(browser, server)
        with closing(shown.web), shown.visit() as visit:
            for number in range(203):
                shown.post(f"table-{number:03}", "a\n1\n")
            page = visit.open()
            page.wait_for_selector("#tables-body tr")
            assert page.text_content("#tables-count") == "203"
            assert texts(page, "#tables-body th")[::99] == ["table-000", "table-099"]
            page.click("#tables-pager >> text=Next")
            page.wait_for_selector("#tables-body >> text=table-100")
            page.click("#tables-pager >> text=Next")
            page.wait_for_selector("#tables-body >> text=table-202")
            assert page.locator("#tables-pager >> text=Next").is_disabled()
            page.click("#tables-pager >> text=Previous")
            page.wait_for_selector("#tables-body >> text=table-199")
            page.fill("#tables-search", "e-13")
            see(page, "#tables-count", re.compile(r"^10$"))
            assert texts(page, "#tables-body th") == [f"table-13{each}" for each in range(10)]
            page.fill("#tables-search", "none")
            page.wait_for_selector("text=No key contains \u201cnone\u201d.")
    finally:
        server.end()


# One table


def test_a_table_is_shown_with_its_columns_and_first_rows(shown):
    before = shown.life()
    with shown.visit() as visit:
        page = visit.open()
        page.click("#tables-body >> text=cities")
        page.wait_for_selector("#table-rows .grid")
        assert page.text_content("#table-key") == "cities"
        columns = [text.split() for text in page.locator("#table-columns li").all_inner_texts()]
        assert [(each[0], each[-1]) for each in columns] == [
            ("city", "text"),
            ("country", "enum"),
            ("founded", "int"),
            ("people", "float"),
            ("area", "float"),
        ]
        assert "1 null" in page.locator("#table-columns li").nth(3).inner_text()
        assert rows(page, "#table-rows")[0] == ["Uppsala", "SE", "1286", "177074", "48.8"]
        assert rows(page, "#table-rows")[4] == ["Malmö", "SE", "1275", "null", "156.9"]
    for figure in ("hits", "misses", "queries"):
        assert shown.life()[figure] == before[figure]


def test_rows_are_paged(shown):
    shown.post("long", "n\n" + "".join(f"{number}\n" for number in range(120)))
    with shown.visit() as visit:
        page = visit.open("/#/tables/long")
        page.wait_for_selector("#rows-pager >> text=Next")
        assert page.text_content("#rows-count") == "rows 1 to 50 of 120"
        page.click("#rows-pager >> text=Next")
        see(page, "#rows-count", "rows 51 to")
        assert rows(page, "#table-rows")[0] == ["50"]
        page.click("#rows-pager >> text=Next")
        see(page, "#rows-count", "rows 101 to")
        assert len(rows(page, "#table-rows")) == 20
    assert shown.web.delete("/qcache/dataset/long").status_code == 200


def test_a_table_that_is_not_there_says_so(shown):
    visit = Visit(shown.browser, shown.url)
    with closing(visit.context):
        page = visit.open("/#/tables/none")
        page.wait_for_selector("#table-error >> text=There is no dataset none")
        assert not page.locator("#table-content").is_visible()
        assert all("404" in each for each in visit.complaints)


def test_a_wide_table_does_not_hold_up_the_page(shown):
    header = ",".join(f"column-{number}" for number in range(1000))
    shown.post("wide", header + "\n" + (",".join(["12345"] * 1000) + "\n") * 300)
    with shown.visit() as visit:
        page = visit.open("/#/query")
        started = time.monotonic()
        ask(page, "{}", language="json", key="wide")
        answered(page)
        assert page.locator("#result-rows td:not(.place)").count() == 20_000
        assert time.monotonic() - started < 10
        see(page, "#query-status", "rows 1 to 40 of 300 \u00b7 500 of 1,000 columns")
    assert shown.web.delete("/qcache/dataset/wide").status_code == 200
