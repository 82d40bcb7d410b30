"""The pictures of the console in the docs, which a real browser makes."""

from __future__ import annotations

import math
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.node.console.browser.showing import (
    CITIES,
    DAYS,
    Shown,
    answered,
    ask,
)
from tests.node.serving import Serving

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parents[4]
IMAGES = ROOT / "docs" / "images"
PICTURED = (
    "SELECT city, avg(temperature) AS degrees\nFROM weather\nWHERE humidity > 60\n"
    "GROUP BY city\nORDER BY degrees DESC"
)


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
