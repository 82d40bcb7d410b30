"""A real browser for tests of the console: Debian's Chromium, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

FLAGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # It asks nobody else for anything.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}

_RECORD_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


def find_chromium() -> str:
    """The browser's path; without one, the test is skipped, or fails where it must not be."""
    found = os.environ.get("STOREKIT_CHROMIUM") or shutil.which("chromium")
    if found is not None:
        return found
    reason = "no chromium is installed (apt-get install chromium), nor named by STOREKIT_CHROMIUM"
    if os.environ.get("STOREKIT_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def started() -> Iterator[Any]:
    """A browser, for as long as the block is."""
    executable = find_chromium()
    sync_api = pytest.importorskip("playwright.sync_api", exc_type=ImportError)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class FailedVisit(Exception):
    """The browser has nothing to show."""


class Visit:
    """A page of the console in a fresh profile, and what the browser had to say of it."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.requests: list[str] = []
        settings = {"viewport": DESKTOP, "color_scheme": "light", **options}
        self.context = browser.new_context(**settings)
        self.context.add_init_script(_RECORD_VIOLATIONS)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", self._note_dialog)

    def _note_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _note_dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, path: str = "/") -> Any:
        """The page, once it is loaded. `FailedVisit` if there is none."""
        from playwright.sync_api import Error

        try:
            self.page.goto(self.url + path)
        except Error as error:
            raise FailedVisit(self.url + path) from error
        return self.page

    def check(self) -> None:
        """No script failed, nothing was forbidden by the policy, and nobody else was asked."""
        assert self.complaints == []
        assert self.page.evaluate("violations") == []
        own = urlsplit(self.url).netloc
        others = {urlsplit(url).netloc for url in self.requests if not url.startswith("blob:")}
        assert others <= {own}


@contextmanager
def visiting(browser: Any, url: str, **options: Any) -> Iterator[Visit]:
    """A visit that must go without a complaint."""
    visit = Visit(browser, url, **options)
    try:
        yield visit
        visit.check()
    finally:
        visit.context.close()
