"""A served node with some tables, and what a person does with the page that it shows."""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager
from typing import Any

import httpx

from tests.node.console.browser.browsing import Visit, visiting
from tests.node.serving import Serving

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


# What is done, and seen


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
