"""The plots of the documentation show what was measured last."""

import json
import statistics
from pathlib import Path

import pytest

from benchmarks.plots import PLOTS

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"


def medians(part):
    return {name: statistics.median(rounds) for name, rounds in part.items()}


@pytest.fixture
def shown(request):
    return {
        mode: (IMAGES / f"{request.param}-{mode}.svg").read_text() for mode in ("light", "dark")
    }


@pytest.mark.parametrize("name", PLOTS)
def test_a_page_shows_each_plot_in_light_and_in_dark(name):
    page = (ROOT / "docs" / "speed.md").read_text()
    for mode in ("light", "dark"):
        assert f'"images/{name}-{mode}.svg"' in page
        assert (IMAGES / f"{name}-{mode}.svg").exists()


@pytest.mark.parametrize("shown", ["clients"], indirect=True)
def test_a_plot_shows_the_medians_that_are_stored(shown):
    """Where not: `python -m benchmarks.plots` draws them anew."""
    results = json.loads((ROOT / "docs" / "benchmarks" / "qcache.json").read_text())
    found = medians(results["queries"]["microseconds_a_call"])
    assert len(found) >= 5
    for text in shown.values():
        assert {name for name in found if name in text} == {*found}
        figures = {f"{each:,.0f}".replace(",", "\u202f") + " µs" for each in found.values()}
        assert {figure for figure in figures if figure in text} == figures
