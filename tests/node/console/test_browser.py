"""The console in a real browser: what a person sees of a node, and does with it."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.node.console.browsing import PHONE, FailedVisit, Visit, started, visiting
from tests.node.serving import Serving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs" / "images"

CITIES = (
    "city,country,founded,people,area\n"
    "Uppsala,SE,1286,177074,48.8\n"
    "Bergen,NO,1070,291940,464.7\n"
    "Turku,FI,1229,201863,245.7\n"
    "Oslo,NO,1048,717710,454.1\n"
    "Malmö,SE,1275,,156.9\n"
)
DAYS = "day,calls\n" + "".join(f"2026-03-{day:02},{day * day}\n" for day in range(1, 32))
SQL = "SELECT country, sum(people) AS people FROM cities GROUP BY country ORDER BY people DESC"
PICTURED = (
    "SELECT city, avg(temperature) AS degrees\nFROM weather\nWHERE humidity > 60\n"
    "GROUP BY city\nORDER BY degrees DESC"
)
ANSWER = [["NO", "1009650"], ["FI", "201863"], ["SE", "177074"]]

RTL = "\u202etxt.exe \u0645\u0631\u062d\u0628\u0627"
MEGABYTE = "0123456789abcdef" * 65_536
MARKUP = "<img src=x onerror=alert(1)>"
SCRIPT = "</td></table><script>alert(2)</script>"
CONTROLS = "\x1b]0;\x07"
HOSTILE = {
    MARKUP: SCRIPT,
    "rtl": RTL,
    "big": MEGABYTE,
    CONTROLS: "\x00\x1b[31m\n\u2028",
    "": "",
}


class Shown:
    """A served node, and a browser to look at it with."""

    def __init__(self, browser: Any, server: Serving) -> None:
        self.browser = browser
        self.server = server
        self.url = server.url
        self.web = httpx.Client(base_url=server.url, trust_env=False)

    def visit(self, **options: Any) -> AbstractContextManager[Visit]:
        return visiting(self.browser, self.url, **options)

    def post(self, key: str, table: str | list[dict[str, Any]], **headers: str) -> None:
        kind, content = "text/csv", table
        if isinstance(table, list):
            kind, content = "application/json", json.dumps(table)
        headers = {"content-type": kind, **headers}
        answer = self.web.post(f"/qcache/dataset/{key}", content=content, headers=headers)
        assert answer.status_code == 201, answer.text

    def query(self, key: str, query: object, accept: str = "application/json") -> str:
        path = f"/qcache/dataset/{key}/q"
        answer = self.web.post(path, content=json.dumps(query), headers={"accept": accept})
        assert answer.status_code == 200, answer.text
        return answer.text

    def life(self) -> Any:
        return self.web.get("/console/data/life").json()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def shown(browser) -> Iterator[Shown]:
    server = Serving()
    try:
        shown = Shown(browser, server)
        with closing(shown.web):
            shown.post("cities", CITIES, **{"x-qcache-types": "country=enum"})
            shown.post("days", DAYS)
            shown.post("hostile", [HOSTILE])
            yield shown
    finally:
        server.end()


def see(page: Any, selector: str, text: str | re.Pattern[str]) -> None:
    """Wait until there is such an element with this text in it."""
    page.locator(selector).filter(has_text=text).first.wait_for()


def texts(page: Any, selector: str) -> list[str]:
    return page.locator(selector).all_text_contents()


def rows(page: Any, place: str = "#result-rows") -> list[list[str]]:
    found = page.locator(f"{place} .grid tbody tr")
    return [texts(row, "td") for row in found.all()]


def ask(page: Any, text: str, *, language: str = "sql", key: str = "") -> None:
    """Write a query and run it, and wait until it is answered."""
    page.check(f"input[name=language][value={language}]", force=True)
    if key:
        page.fill("#query-key", key)
    page.fill("#query-text", text)
    page.press("#query-text", "Control+Enter")
    page.wait_for_selector("#query-stop", state="hidden")


def answered(page: Any) -> None:
    page.wait_for_selector("#query-result:not([hidden])")


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
    assert {**shown.life(), "uptime": 0, "memory": 0} == {**before, "uptime": 0, "memory": 0}


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


# Queries


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


@pytest.mark.parametrize(
    ("language", "text", "reason"),
    [
        ("sql", "SELECT city FROM", "can't be read as SQL"),
        ("sql", "SELECT city\nFROM cities\nWHERE city SIMILAR TO 'x'", "line 3"),
        ("sql", "DROP TABLE cities", "only SELECT"),
        ("sql", "SELECT colour FROM cities", "colour"),
        ("sql", "SELECT city FROM none", "There is no dataset none"),
        ("json", '{"limit": ', "That is no JSON"),
        ("json", '{"colour": 1}', "Unknown query clauses"),
        ("json", '{"where": ["==", "<b>", 1]}', "<b>"),
    ],
)
def test_a_wrong_query_is_answered_with_what_is_wrong(shown, language, text, reason):
    visit = Visit(shown.browser, shown.url)
    with closing(visit.context):
        page = visit.open("/#/query")
        ask(page, SQL)
        answered(page)
        ask(page, text, language=language, key="cities" if language == "json" else "")
        page.wait_for_selector("#query-error:not([hidden])")
        assert reason in page.text_content("#query-error")
        assert page.get_attribute("#query-error", "role") == "alert"
        assert page.locator("#query-result").is_hidden()  # it would be that of another query
        assert page.locator("#query-error b").count() == 0
        assert [each for each in visit.complaints if "status of 40" not in each] == []
        ask(page, SQL)
        answered(page)
        assert page.locator("#query-error").is_hidden()


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


# Charts


def test_bars_have_the_lengths_of_their_values(shown):
    with shown.visit() as visit:
        page = visit.open("/#/query")
        ask(page, SQL)
        answered(page)
        page.click("#tab-chart")
        bars = page.locator("#result-chart .bar")
        drawn = bars.evaluate_all(
            "all => all.map(({dataset, width}) => "
            "[dataset.name, Number(dataset.value), width.baseVal.value])"
        )
        assert [(name, value) for name, value, _ in drawn] == [
            (name, int(value)) for name, value in ANSWER
        ]
        for _, value, width in drawn:
            assert width / drawn[0][2] == pytest.approx(value / 1009650, rel=1e-6)
        label = page.get_attribute("#result-chart svg", "aria-label")
        assert label.startswith("Bars: people by country.")


def test_columns_of_a_chart_are_chosen(shown):
    with shown.visit() as visit:
        page = visit.open("/#/query")
        ask(page, "SELECT city, founded, people, area FROM cities ORDER BY city")
        answered(page)
        page.click("#tab-chart")
        assert page.locator("#result-chart .bar").count() == 5
        page.check("#chart-ys >> text=people")
        page.check("#chart-ys >> text=area")
        assert page.locator("#result-chart .bar").count() == 14  # of one, people are not known
        assert texts(page, "#result-chart .legend li") == ["founded", "people", "area"]
        page.uncheck("#chart-ys >> text=founded")
        page.select_option("#chart-x", "founded")
        assert "people, area by founded" in page.get_attribute("#result-chart svg", "aria-label")
        page.select_option("#chart-kind", "line")
        assert page.locator("#result-chart path.line").count() == 2
        for name in ("people", "area"):
            page.uncheck(f"#chart-ys >> text={name}")
        page.wait_for_selector("#result-chart >> text=Choose a column of numbers.")


def test_lines_are_read_by_arrow_keys(shown):
    with shown.visit() as visit:
        page = visit.open("/#/query")
        ask(page, "SELECT day, calls FROM days ORDER BY day DESC")
        answered(page)
        page.click("#tab-chart")
        path = page.get_attribute("#result-chart path.line", "d")
        points = [tuple(map(float, each.split())) for each in re.findall(r"[\d.]+ [\d.]+", path)]
        assert len(points) == 31  # in the order of time, whatever that of the rows
        assert points == sorted(points)
        heights = [points[0][1] - y for _, y in points]
        assert heights[20] / heights[30] == pytest.approx((21**2 - 1) / (31**2 - 1), abs=0.01)
        page.focus("#result-chart svg")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("#result-chart >> text=2026-03-01: calls 1")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("#result-chart >> text=2026-03-03: calls 9")
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector("#result-chart >> text=2026-03-02: calls 4")


# Life


def test_plots_move_with_what_the_node_does(shown):
    visit = Visit(shown.browser, shown.url)
    with closing(visit.context):
        page = visit.page
        page.clock.install()
        visit.open()
        page.wait_for_selector("#tables-body tr")
        hits = page.locator("#life figure").filter(has_text="Hits")
        drawn = [""]
        for _ in range(3):
            for _ in range(30):
                shown.query("cities", {"limit": 1})
            with page.expect_response("**/console/data/life"):
                page.clock.run_for(2500)
            line = hits.locator(f'path.line.series-0[d]:not([d="{drawn[-1]}"])')
            line.wait_for(state="attached")
            drawn.append(line.get_attribute("d"))
        assert len({*drawn}) == 4
        assert re.match(r"[1-9][\d.]*/s", hits.locator("b").first.text_content())
        latency = page.locator("#life figure").filter(has_text="Latency").locator("b").first
        assert re.match(r"[\d.]+ (µs|ms)", latency.text_content())
        figures = texts(page, "#life figcaption > span:first-child")
        assert figures == ["Hits", "Latency", "Stores", "Evictions", "Queue", "Memory"]
        visit.check()


def test_a_node_that_is_gone_is_told(browser):
    server = Serving("--size=1000000", hidden=["sqlglot"])
    visit = Visit(browser, server.url)
    with closing(visit.context):
        page = visit.page
        page.clock.install()
        visit.open("/#/query")
        page.wait_for_selector("#state >> text=live")
        page.check("input[value=sql]", force=True)
        page.wait_for_selector("#query-note >> text=pip install 'storekit[sql]'")
        ask(page, "SELECT 1")
        page.wait_for_selector("#query-error >> text=storekit[sql]")
        server.end()
        page.clock.run_for(5000)
        page.wait_for_selector("#state.bad >> text=no answer")
        ask(page, "{}", language="json", key="cities")
        page.wait_for_selector("#query-error >> text=The node does not answer.")


# Hostile content


def test_a_hostile_table_is_text(shown):
    with shown.visit() as visit:
        page = visit.open("/#/tables/hostile")
        page.wait_for_selector("#table-rows .grid")
        names = texts(page, "#table-rows thead bdi")
        cells = dict(zip(names, page.locator("#table-rows tbody td").all(), strict=True))
        assert names == ["", "\u241b]0;\u2407", MARKUP, "big", "rtl"]
        assert cells[MARKUP].text_content() == SCRIPT
        assert cells[names[1]].text_content() == "\u2400\u241b[31m\u240aU+2028"
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
        assert time.monotonic() - started < 5
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


# Phones, keys, colours


PATHS = ["/", "/#/tables/cities", "/#/tables/hostile", "/#/query?table=cities"]


@pytest.mark.parametrize("path", PATHS)
def test_a_phone_shows_it_without_scrolling_sideways(shown, path):
    with shown.visit(viewport=PHONE, has_touch=True, is_mobile=True) as visit:
        page = visit.open(path)
        page.wait_for_selector("#tables-body tr, .grid, #query-examples li", state="attached")
        if "query" in path:
            page.click("#query-run")
            answered(page)
            for tab in ("table", "chart", "json"):
                page.tap(f"#tab-{tab}")
                assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        # What is to be pressed can be hit.
        small = page.locator(".bar a, .bar button, .button").evaluate_all(
            "all => all.filter(e => e.offsetHeight && e.offsetHeight < 32).map(e => e.outerHTML)"
        )
        assert [each for each in small if "brand" not in each] == []


def focused(page: Any) -> str:
    element = page.evaluate_handle("document.activeElement")
    return element.evaluate("e => e.id || e.dataset.focus || e.dataset.view || e.className")


def test_all_can_be_done_with_the_keyboard(shown):
    with shown.visit() as visit:
        page = visit.open()
        page.wait_for_selector("#tables-body tr")
        walked = []
        for _ in range(14):
            page.keyboard.press("Tab")
            walked.append(focused(page))
            seen = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert seen == "solid", walked
        assert walked == [
            *("skip", "brand", "node", "query", "theme", "help", "tables-search"),
            *(f"sort-{name}" for name in ("key", "rows", "columns", "memory", "age", "hits")),
            "table-cities",
        ]
        page.keyboard.press("Enter")
        page.wait_for_selector("#table-rows .grid")
        for _ in range(2):
            page.keyboard.press("Tab")
        assert focused(page) == "table-query"
        page.keyboard.press("Enter")
        page.wait_for_selector("#query-examples li")
        page.keyboard.press("t")
        page.wait_for_selector("#tables-body tr")
        page.keyboard.press("/")
        assert focused(page) == "tables-search"
        page.keyboard.type("days")  # no letter is a shortcut here
        see(page, "#tables-count", re.compile(r"^1$"))
        page.keyboard.press("Escape")
        page.keyboard.press("q")
        page.wait_for_selector("#view-query:not([hidden])")
        page.focus("#query-text")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(SQL)
        page.keyboard.press("Control+Enter")
        answered(page)
        page.focus("#tab-table")
        page.keyboard.press("ArrowRight")
        assert focused(page) == "tab-chart"
        assert page.locator("#result-chart .bar").count() == 3


def test_keys_are_listed_and_can_be_turned_off(shown):
    with shown.visit() as visit:
        page = visit.open()
        page.wait_for_selector("#tables-body tr")
        page.keyboard.press("?")
        page.wait_for_selector("#help-dialog[open]")
        page.uncheck("#help-single")
        page.keyboard.press("Escape")
        page.wait_for_selector("#help-dialog", state="hidden")
        page.keyboard.press("q")
        page.keyboard.press("?")
        assert page.locator("#view-node").is_visible()
        assert page.locator("#help-dialog").is_hidden()
        page.reload()
        assert not page.is_checked("#help-single")


def ground(page: Any) -> int:
    """How light the page is, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(re.search(r"\d+", colour)[0])


def test_dark_and_light_are_those_of_the_system_until_chosen(shown):
    with shown.visit(color_scheme="dark") as visit:
        page = visit.open()
        assert ground(page) < 40
        page.emulate_media(color_scheme="light")
        assert ground(page) > 220
        page.click("#theme")
        assert "Dark" in page.text_content("#theme")
        assert ground(page) < 40
        page.reload()
        assert ground(page) < 40
        page.keyboard.press("d")
        assert ground(page) > 220


CONTRAST = """
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const over = (colours) => {  // painted one over the other
    brush.clearRect(0, 0, 1, 1);
    for (const colour of colours) { brush.fillStyle = colour; brush.fillRect(0, 0, 1, 1); }
    return [...brush.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest(".unseen, .skip, noscript, kbd, :disabled, option, datalist")) continue;
    const grounds = [];
    for (let e = element; e; e = e.parentElement) {
      grounds.unshift(getComputedStyle(e).backgroundColor);
    }
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const one = light(over(["white", ...grounds]));
    const other = light(over(["white", ...grounds, ink]));
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const text = walker.currentNode.data.slice(0, 30);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 80)} ${text}`);
  }
  return found;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_what_is_behind_it(shown, scheme):
    with shown.visit(color_scheme=scheme) as visit:
        page = visit.open()
        page.wait_for_selector("#tables-body tr")
        assert page.evaluate(CONTRAST) == []
        visit.open("/#/tables/cities")
        page.wait_for_selector("#table-rows .grid")
        assert page.evaluate(CONTRAST) == []
        visit.open("/#/query?table=cities")
        page.wait_for_selector("#query-examples li")
        page.click("#query-run")
        answered(page)
        assert page.evaluate(CONTRAST) == []
        page.click("#tab-chart")
        assert page.evaluate(CONTRAST) == []


# Pictures for the docs


def fill_for_pictures(shown: Shown) -> None:
    """Tables such as a node may have, the same in each run."""
    draw = random.Random(7)
    places = ("Uppsala", "Bergen", "Turku", "Oslo", "Malmö", "Aarhus", "Tampere", "Odense")
    lines = [
        f"2026-{1 + n // 2500:02}-{1 + n // 90 % 28:02},{draw.choice(places)},"
        f"s{draw.randint(1, 40)},{draw.gauss(8, 6):.2f},{draw.randint(30, 99)}\n"
        for n in range(30_000)
    ]
    header = "day,city,sensor,temperature,humidity\n"
    shown.post("weather", header + "".join(lines), **{"x-qcache-types": "city=enum"})
    for key in ("customers", "exchange-rates", "orders-2026", "prices", "regions", "sessions"):
        rows = "".join(f"{n},{draw.random():.3f}\n" for n in range(draw.randint(20, 20_000)))
        shown.post(key, "id,value\n" + rows)


def let_live(shown: Shown, page: Any) -> None:
    """Have the plots show three minutes of a node that is asked and written to."""
    draw = random.Random(7)
    for step in range(90):
        busy = 3 + 2 * math.sin(step / 9)
        for _ in range(int(busy + draw.random() * 3)):
            shown.query(draw.choice(["cities", "days"]), {"limit": draw.randint(1, 30)})
        if draw.random() < 0.3:
            shown.web.get("/qcache/dataset/none?q={}")
        if step % 15 == 5:
            shown.post("sessions", "id,value\n" + "1,2\n" * draw.randint(1000, 90_000))
            shown.query("weather", {"group_by": ["city"], "select": ["city", ["mean", "humidity"]]})
        with page.expect_response("**/console/data/life"):
            page.clock.run_for(2000)
        page.wait_for_timeout(20)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_docs_have_its_pictures(browser, request, scheme):
    name = "console.png" if scheme == "light" else "console-dark.png"
    if request.config.getoption("--write-screenshots"):
        write_picture(browser, scheme, IMAGES / name)
    assert (IMAGES / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert f"images/{name}" in (ROOT / "docs" / "qcache-node.md").read_text()


def write_picture(browser: Any, scheme: str, path: Path) -> None:
    """Write what a person sees: in light the node and its tables, in dark a query as a chart."""
    server = Serving("--port=8888", "--size=50MB")
    try:
        shown = Shown(browser, server)
        with closing(shown.web), shown.visit(color_scheme=scheme, device_scale_factor=1.5) as visit:
            shown.post("cities", CITIES, **{"x-qcache-types": "country=enum"})
            shown.post("days", DAYS)
            fill_for_pictures(shown)
            page = visit.page
            page.clock.install()
            visit.open()
            page.wait_for_selector("#tables-body tr")
            if scheme == "light":
                let_live(shown, page)
            else:
                visit.open("/#/query?table=weather")
                ask(page, PICTURED)
                answered(page)
                page.click("#tab-chart")
            path.parent.mkdir(exist_ok=True)
            page.screenshot(path=path)
    finally:
        server.end()
