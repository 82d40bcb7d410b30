"""Queries in a real browser: asked, answered, kept, downloaded."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from tests.node.console.browser.browsing import Visit
from tests.node.console.browser.showing import (
    ANSWER,
    SQL,
    answered,
    ask,
    rows,
    see,
)

pytestmark = pytest.mark.slow


def test_a_query_in_sql(shown):
    with shown.visit() as visit:
        page = visit.open("/#/query")
        ask(page, SQL)
        answered(page)
        assert rows(page) == ANSWER
        assert re.match(r"3 rows \u00b7 [\d.]+ (µs|ms)", page.text_content("#query-status"))
        page.click("#tab-json")
        asked = json.loads(page.text_content("#result-query"))
        assert asked["key"] == "cities"
        rows_of_client = json.loads(shown.query("cities", asked["query"]))
        assert [each["country"] for each in rows_of_client] == ["NO", "FI", "SE"]


def test_a_query_in_json(shown):
    with shown.visit() as visit:
        page = visit.open("/#/query")
        query = '{"select": ["city"], "where": [">", "people", 200000], "order_by": ["city"]}'
        ask(page, query, language="json", key="cities")
        answered(page)
        assert rows(page) == [["Bergen"], ["Oslo"], ["Turku"]]


def test_what_was_asked_is_kept_in_the_page(shown):
    with shown.visit() as visit:
        page = visit.open("/#/query")
        ask(page, SQL)
        answered(page)
        ask(page, '{"limit": 2}', language="json", key="days")
        page.wait_for_selector("#query-history li:nth-child(2)")
        page.reload()
        page.wait_for_selector("#query-history li:nth-child(2)")
        page.locator("#query-history button").nth(1).click()
        assert page.input_value("#query-text") == SQL
        assert page.is_checked("input[value=sql]")
        page.locator("#query-history button").nth(0).click()
        assert page.input_value("#query-text") == '{"limit": 2}'
        assert page.input_value("#query-key") == "days"
        assert page.is_checked("input[value=json]")
    with shown.visit() as visit:  # not in that of another profile
        page = visit.open("/#/query")
        assert page.locator("#query-history li").count() == 0


@pytest.mark.parametrize("language", ["sql", "json"])
@pytest.mark.parametrize("key", ["cities", "days", "hostile"])
def test_every_example_runs(shown, key, language):
    with shown.visit() as visit:
        page = visit.open(f"/#/query?table={key}")
        page.wait_for_selector("#query-examples li")
        page.check(f"input[name=language][value={language}]", force=True)
        examples = page.locator("#query-examples button")
        assert examples.count() == {"cities": 4, "days": 4, "hostile": 2}[key]
        for number in range(examples.count()):
            examples.nth(number).click()
            page.evaluate("document.querySelector('#query-status').textContent = ''")
            page.click("#query-run")
            see(page, "#query-status", " row")
            assert page.locator("#query-error").is_hidden()


WRONG = {
    "sql": {
        "SELECT city FROM": "cannot be parsed as SQL",
        "SELECT city\nFROM cities\nWHERE city SIMILAR TO 'x'": "line 3",
        "DROP TABLE cities": "only SELECT",
        "SELECT colour FROM cities": "colour",
        "SELECT city FROM none": "There is no dataset none",
    },
    "json": {
        '{"limit": ': "That is no JSON",
        '{"colour": 1}': "Unknown query clauses",
        '{"where": ["==", "<b>", 1]}': "<b>",
    },
}


@pytest.mark.parametrize("language", ["sql", "json"])
def test_a_wrong_query_is_answered_with_what_is_wrong(shown, language):
    visit = Visit(shown.browser, shown.url)
    with closing(visit.context):
        page = visit.open("/#/query")
        for text, reason in WRONG[language].items():
            ask(page, SQL)
            answered(page)
            assert page.locator("#query-error").is_hidden()
            ask(page, text, language=language, key="cities" if language == "json" else "")
            see(page, "#query-error", reason)
            assert page.locator("#query-result").is_hidden()  # it would be that of another query
        assert page.get_attribute("#query-error", "role") == "alert"
        assert page.locator("#query-error b").count() == 0
        assert [each for each in visit.complaints if "status of 40" not in each] == []


def test_a_query_that_takes_long_can_be_stopped(shown):
    with shown.visit() as visit:
        page = visit.open("/#/query")
        page.route("**/console/data/query", lambda route: None)  # no answer comes
        page.fill("#query-text", SQL)
        page.click("#query-run")
        page.click("#query-stop")
        page.wait_for_selector("text=Stopped.")
        page.unroute("**/console/data/query")
        ask(page, SQL)
        answered(page)


def test_an_answer_is_downloaded_as_csv_whole(shown):
    shown.post("many", "n,t\n" + "".join(f'{n},"a, {n}"\n' for n in range(3000)))
    with shown.visit(accept_downloads=True) as visit:
        page = visit.open("/#/query")
        ask(page, "SELECT n, t FROM many WHERE n > 500")
        answered(page)
        assert page.text_content("#query-status").startswith("rows 1 to 1,000 of 2,499")
        with page.expect_download() as download:
            page.click("#query-csv")
        assert download.value.suggested_filename == "many.csv"
        content = Path(download.value.path()).read_text()
        assert content == shown.query("many", {"where": [">", "n", 500]}, accept="text/csv")
        assert content.count("\n") == 2500
    assert shown.web.delete("/qcache/dataset/many").status_code == 200
