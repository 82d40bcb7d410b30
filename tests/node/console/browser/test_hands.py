"""Keys, phones, dark and light, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.node.console.browser.browsing import PHONE
from tests.node.console.browser.showing import (
    SQL,
    answered,
    see,
)

pytestmark = pytest.mark.slow


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
