"""Charts and plots in a real browser."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from tests.node.console.browser.browsing import Visit
from tests.node.console.browser.showing import (
    ANSWER,
    SQL,
    answered,
    ask,
    texts,
)
from tests.node.serving import Serving

pytestmark = pytest.mark.slow


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
