"""A headless Chromium for tests, with a record of its requests and console messages.

    with open_browser() as browser:
        browser.driver.get("http://127.0.0.1:8000/graphql")
        browser.wait_for("button.graphiql-execute-button").click()
        assert browser.requested_hosts() == {"127.0.0.1:8000"}

Only Debian's own browser and driver are used; Selenium fetches nothing.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:  # slow to import
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

CHROMIUM = "/usr/bin/chromium"
CHROMEDRIVER = "/usr/bin/chromedriver"
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # tests use no other network
)

T = TypeVar("T")


class Browser:
    """A running browser with one page open."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self._urls: list[str] = []
        self._console: list[str] = []

    def wait_until(self, condition: Callable[[Chrome], T | None], failure: str, *, timeout: float = 20) -> T:
        """Wait until the condition returns a true value, and return the value."""
        from selenium.common.exceptions import StaleElementReferenceException  # noqa: PLC0415
        from selenium.webdriver.support.wait import WebDriverWait  # noqa: PLC0415

        # A page may replace an element between the moment that it is found and the moment that it is read.
        wait = WebDriverWait(self.driver, timeout, ignored_exceptions=[StaleElementReferenceException])
        result = wait.until(condition, failure)
        assert result is not None
        return result

    def wait_for(self, css: str, *, text: str = "", timeout: float = 20) -> WebElement:
        """Wait until an element that matches is visible and holds the text, and return it."""

        def find_visible(driver: Chrome) -> WebElement | None:
            elements = driver.find_elements("css selector", css)
            return next((element for element in elements if element.is_displayed() and text in element.text), None)

        return self.wait_until(find_visible, f"nothing visible matches {css} with {text!r}", timeout=timeout)

    def requested_urls(self) -> list[str]:
        """Return the URLs of all network requests of the page, in order."""
        for entry in self._log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self._urls.append(event["params"]["request"]["url"])
            elif event["method"] == "Network.webSocketCreated":
                self._urls.append(event["params"]["url"])
        return [url for url in self._urls if urlsplit(url).scheme in {"http", "https", "ws", "wss"}]

    def requested_hosts(self) -> set[str]:
        """Return the host and port of every request."""
        return {urlsplit(url).netloc for url in self.requested_urls()}

    def console(self) -> list[str]:
        """Return the console's warnings and errors: exceptions, failed loads, policy violations."""
        log = self._log("browser")
        self._console.extend(entry["message"] for entry in log if entry["level"] in {"WARNING", "SEVERE"})
        return self._console

    def _log(self, kind: str) -> list[dict[str, Any]]:
        """Return the entries since the last call."""
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries


@contextlib.contextmanager
def open_browser(
    *, theme: Literal["light", "dark"] = "light", size: tuple[int, int] = (1440, 900)
) -> Iterator[Browser]:
    """Start Chromium with an empty profile and this theme, and close it at the end."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as profile:
        options = ChromeOptions()
        options.binary_location = CHROMIUM
        own = (f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", "about:blank")
        for argument in (*_FLAGS, *own):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        driver = Chrome(options, ChromeService(CHROMEDRIVER))
        try:
            scheme = {"name": "prefers-color-scheme", "value": theme}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
            yield Browser(driver)
        finally:
            driver.quit()
