"""What the tests of the pages in a browser share: the demo's pages and API, and what a visitor does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.http.browser import CHROMEDRIVER, CHROMIUM, Browser

if TYPE_CHECKING:  # slow to import
    from selenium.webdriver.remote.webelement import WebElement

needs_a_browser = pytest.mark.skipif(
    not (Path(CHROMIUM).exists() and Path(CHROMEDRIVER).exists()),
    reason="Chromium or ChromeDriver is not installed; `make test` installs them where it is root",
)

ROW = "main > .scroll tbody tr"
CASE = ".cases tbody tr"
DIALOG = "dialog.case"
DASH = "\N{EN DASH}"
STATE = 'li[data-source="{}"]'
VALUES = "return [...arguments[0].querySelectorAll('data')].map((one) => Number(one.value))"


NEWEST = """
query($id: ID!) { experiment(id: $id) { sessions(first: 1) { nodes { id spans { nodes { name } } } } } }
"""


class Demo:
    """The running demo: its pages and its API."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.pages = endpoint.removesuffix("/graphql")

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data of a query."""
        body = {"query": query, "variables": variables}
        answer = httpx.post(self.endpoint, json=body, timeout=60, trust_env=False).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def experiment(self, name: str) -> str:
        """Return the ID of the experiment with this name."""
        query = "query($name: String) { experiments(filter: {name: {eq: $name}}) { nodes { id } } }"
        (node,) = self.ask(query, name=name)["experiments"]["nodes"]
        return str(node["id"])


def click(browser: Browser, css: str, text: str = "") -> None:
    """Click an element as a visitor does, who scrolls to it first."""
    element = browser.wait_for(css, text=text)
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def row_of(browser: Browser, name: str, css: str = ROW) -> WebElement:
    """Wait for the row that shows this name."""
    return browser.wait_for(css, text=name)


def choose(browser: Browser, name: str) -> None:
    """Choose an experiment of the list."""
    box = row_of(browser, name).find_element("css selector", ".choose")
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    box.click()


def values(browser: Browser, element: WebElement) -> list[float]:
    """Return the exact values of the figures that an element shows."""
    found: list[float] = browser.driver.execute_script(VALUES, element)
    return found


def resize(browser: Browser, width: int, height: int = 900) -> None:
    """Set the size of the page. A window has a minimum width of 500 pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
