"""The playground in a browser with the demo, and without another network."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from tests.gateway import Gateway, Vendors, eventually, over_http
from tests.http.browser import CHROMEDRIVER, CHROMIUM, Browser, open_browser
from tests.processes import started
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault

pytestmark = pytest.mark.skipif(
    not (Path(CHROMIUM).exists() and Path(CHROMEDRIVER).exists()),
    reason="Chromium or ChromeDriver is not installed; `make test` installs them where it is root",
)

RUN = "button.graphiql-execute-button"
EDITOR = ".graphiql-query-editor"
ANSWER = ".graphiql-response"
TAB = ".graphiql-tab-button"
VARIABLES = ".graphiql-editor-tool"
MARK = ".squiggly-error"
STOP = 'button[aria-label^="Stop"]'
COMMENTS = """
const area = document.querySelector('.graphiql-query-editor .editor-scrollable').getBoundingClientRect();
const lines = [...document.querySelectorAll('.graphiql-query-editor .view-line > span')];
const comments = lines.filter((line) => line.textContent.trimStart().startsWith('#'));
const cut = comments.filter((line) => line.getBoundingClientRect().right > area.right);
return comments.length ? {cut: cut.map((line) => line.textContent)} : null;
"""
"""The comment lines that the query's pane does not show to their end. Null before the pane shows a comment."""
PASTE = """
const clipboardData = new DataTransfer();
clipboardData.setData('text/plain', arguments[0]);
const paste = new ClipboardEvent('paste', {clipboardData, bubbles: true, cancelable: true});
document.activeElement.dispatchEvent(paste);
"""
TALL = 16_000
"""The window height in pixels that shows a complete response, since the editor draws visible lines only."""


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with started("demo", "--port", "0") as process:
        yield process.url()


@pytest.fixture(scope="module")
def browser(demo: str) -> Iterator[Browser]:
    with open_browser() as opened:
        opened.driver.get(demo)
        opened.wait_for(EDITOR, text="EverythingAcrossVendors")
        yield opened


def answer(browser: Browser, picture: Path) -> str:
    """Run the visible query and return its complete response. The picture has the size of a visitor's window."""
    browser.driver.set_window_size(1440, 900)
    browser.wait_for(RUN).click()
    browser.wait_for(ANSWER, text='"data"', timeout=60)
    browser.driver.save_screenshot(str(picture))
    browser.driver.set_window_size(1440, TALL)
    return browser.wait_for(ANSWER, text="\n}", timeout=60).text.replace("\xa0", " ")


def test_the_first_example_shows_rows_of_three_vendors_and_sends_requests_to_the_gateway_only(
    browser: Browser, demo: str, tmp_path: Path
) -> None:
    text = answer(browser, tmp_path / "first-example.png")
    for shown in ('"vendor": "nemo"', '"vendor": "langsmith"', '"vendor": "meibel"', '"hasNextPage": true'):
        assert shown in text
    assert text.count('"status": "OK"') == 3
    assert '"errors"' not in text
    assert browser.requested_hosts() == {urlsplit(demo).netloc}
    assert browser.console() == []


@pytest.mark.parametrize(
    ("number", "name", "shown"),
    [
        pytest.param(1, "Leaderboard", '"basis": "REPORTED"', marks=pytest.mark.slow),
        pytest.param(2, "FiltersAndFacets", '"field": "DATASET_NAME"', marks=pytest.mark.slow),
        pytest.param(3, "OneExperiment", '"vendorStatus"', marks=pytest.mark.slow),
        pytest.param(4, "PagingBack", '"hasPreviousPage": true', marks=pytest.mark.slow),
        (5, "ExperimentsSideBySide", '"outcome": "IMPROVED"'),
        pytest.param(6, "SourcesAndGateway", '"maxCost"', marks=pytest.mark.slow),
    ],
)
def test_every_other_worked_example_runs_without_an_error_and_shows_the_sources_first(
    browser: Browser, tmp_path: Path, number: int, name: str, shown: str
) -> None:
    browser.driver.find_elements("css selector", TAB)[number].click()
    browser.wait_for(EDITOR, text=name)
    text = answer(browser, tmp_path / f"{name}.png")
    assert shown in text
    assert '"errors"' not in text
    assert re.findall(r'"(\w+)": \[', text)[0] == "sources"
    assert browser.console() == []


@pytest.mark.slow
def test_comment_lines_fit_and_no_example_has_an_error_mark(demo: str) -> None:
    with open_browser() as browser:
        browser.driver.get(demo)
        browser.wait_for(EDITOR, text="EverythingAcrossVendors")
        browser.driver.set_window_size(1440, TALL)
        for tab in browser.driver.find_elements("css selector", TAB):
            tab.click()
            browser.wait_for(EDITOR, text=tab.text)
            assert browser.wait_until(lambda driver: driver.execute_script(COMMENTS), "no comments")["cut"] == []
            assert browser.driver.find_elements("css selector", MARK) == []


@pytest.mark.slow
def test_a_variable_with_a_default_is_optional_and_one_without_is_not(demo: str) -> None:
    with open_browser() as browser:
        browser.driver.get(demo)
        browser.wait_for(EDITOR, text="EverythingAcrossVendors")
        write(browser, EDITOR, "query Q($by: CaseKey! = INPUT, $id: ID!) { node(id: $id) { id } }")
        write(browser, VARIABLES, "{}")
        browser.wait_for(f"{VARIABLES} {MARK}")
        write(browser, VARIABLES, '{"id": "1"}')
        browser.wait_until(
            lambda driver: not driver.find_elements("css selector", f"{VARIABLES} {MARK}"),
            "still marked",
        )


def test_a_new_tab_says_what_to_type(browser: Browser, tmp_path: Path) -> None:
    browser.driver.set_window_size(1440, 900)
    browser.wait_for("button.graphiql-tab-add").click()
    browser.wait_for(EDITOR, text="Type a query")
    assert browser.driver.execute_script(COMMENTS)["cut"] == []
    browser.wait_for(RUN).click()
    browser.wait_for(ANSWER, text='"status": "UP"', timeout=60)
    assert browser.driver.find_elements("css selector", MARK) == []
    browser.driver.save_screenshot(str(tmp_path / "new-tab.png"))


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_below_800_pixels_the_response_is_below_the_query_and_as_wide_as_the_page(
    demo: str, tmp_path: Path, theme: Literal["light", "dark"]
) -> None:
    with open_browser(theme=theme) as browser:
        resize(browser, 390, 844)
        browser.driver.get(demo)
        browser.wait_for(EDITOR, text="EverythingAcrossVendors")
        browser.wait_for(RUN).click()
        response = browser.wait_for(ANSWER, text='"status": "OK"', timeout=60).rect
        query = browser.wait_for(".graphiql-editors").rect
        browser.driver.save_screenshot(str(tmp_path / f"narrow-{theme}.png"))
        assert response["y"] + 1 >= query["y"] + query["height"]  # the browser rounds each
        assert response["y"] + response["height"] <= 844
        assert response["height"] >= 300
        assert min(response["width"], query["width"]) >= 360
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") == 390
        resize(browser, 799, 844)
        assert browser.wait_for(ANSWER).rect["y"] > query["y"] + 100
        resize(browser, 800, 844)
        assert browser.wait_for(ANSWER).rect["x"] > 400


async def test_stop_aborts_the_request_and_the_gateway_cancels_the_vendors_calls(
    vendors: Vendors, served: Gateway
) -> None:
    vendors.nemo.fail(Fault("hang", times=None))
    url = str(served.http.base_url.join("/graphql"))
    with open_browser() as browser, capture_logs() as logs:
        await asyncio.to_thread(press_run, browser, url)
        assert await eventually(lambda: vendors.nemo.simulator.in_flight > 0)
        await asyncio.to_thread(browser.wait_for(STOP).click)
        assert await eventually(lambda: vendors.nemo.simulator.in_flight == 0, within_s=5)
        await asyncio.to_thread(browser.wait_for, 'button[aria-label^="Execute"]')
        assert await eventually(lambda: "graphql.client_gone" in [entry["event"] for entry in logs])
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_the_page_shows_the_parts_of_a_response_as_they_come(vendors: Vendors, tmp_path: Path) -> None:
    """While NeMo hangs, the page shows the rows of the others."""
    fill(vendors)
    vendors.nemo.fail(Fault("hang", times=None))
    sources = {name: table | {"timeout_s": 50} for name, table in vendors.sources().items()}
    settings = vendors.settings(limits={"deadline_s": 60}, sources=sources)
    async with over_http(settings) as gateway:
        await shows_parts_as_they_come(vendors, str(gateway.http.base_url.join("/graphql")), tmp_path)


async def shows_parts_as_they_come(vendors: Vendors, url: str, tmp_path: Path) -> None:
    with open_browser() as browser:
        shown = await asyncio.to_thread(shown_of_deferred_example, browser, url, tmp_path / "parts.png")
        assert vendors.nemo.simulator.in_flight > 0
        assert '"langsmith": {' in shown
        assert '"nemo": {' not in shown
        await asyncio.to_thread(browser.wait_for(STOP).click)
        assert await eventually(lambda: vendors.nemo.simulator.in_flight == 0, within_s=5)
        vendors.nemo.recover()
        await asyncio.to_thread(browser.wait_for(RUN).click)
        shown = (await asyncio.to_thread(browser.wait_for, ANSWER, text='"n3"')).text
        assert '"errors"' not in shown
        assert browser.console() == []


def shown_of_deferred_example(browser: Browser, url: str, picture: Path) -> str:
    """Run the example of deferred fragments, and return the response that has the rows of two vendors."""
    browser.driver.set_window_size(1440, 900)
    browser.driver.get(url)
    browser.wait_for(EDITOR, text="EverythingAcrossVendors")
    browser.driver.find_elements("css selector", TAB)[-1].click()
    browser.wait_for(EDITOR, text="RowsAsTheyCome")
    browser.wait_for(RUN).click()
    browser.wait_for(ANSWER, text='"sources"')
    browser.driver.set_window_size(1440, TALL)
    browser.wait_for(ANSWER, text='"m3"')
    text = browser.wait_for(ANSWER, text='"l3"').text.replace("\xa0", " ")
    browser.driver.set_window_size(1440, 900)
    browser.driver.save_screenshot(str(picture))
    browser.driver.set_window_size(1440, TALL)
    return text


def press_run(browser: Browser, url: str) -> None:
    """Open the playground and run the first example."""
    browser.driver.get(url)
    browser.wait_for(EDITOR, text="EverythingAcrossVendors")
    browser.wait_for(RUN).click()


def resize(browser: Browser, width: int, height: int) -> None:
    """Set the size of the page. A window has a minimum width of 500 pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def write(browser: Browser, pane: str, text: str) -> None:
    """Paste a text in place of an editor's text. In typed text, the editor would close the brackets."""
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415 - slow to import

    browser.wait_for(f"{pane} .view-lines").click()
    browser.driver.switch_to.active_element.send_keys(Keys.CONTROL, "a")
    browser.driver.execute_script(PASTE, text)


def test_the_documentation_is_read_from_the_gateways_schema(browser: Browser) -> None:
    browser.wait_for('button[aria-label="Show Documentation Explorer"]').click()
    browser.wait_for(".graphiql-doc-explorer", text="Query")


ATTEMPTS = """
const done = arguments[arguments.length - 1], seen = {};
document.addEventListener('securitypolicyviolation', (event) => { seen[event.effectiveDirective] = 'refused'; });
const add = (name, attributes, text = '') => {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(text);
  document.body.append(element);
};
add('script', {}, 'window.wasRun = true');
add('script', {src: 'http://127.0.0.1:9/script.js'});
add('img', {src: 'http://127.0.0.1:9/pixel.png?stolen'});
add('iframe', {src: 'http://127.0.0.1:9/frame'});
add('base', {href: 'http://127.0.0.1:9/'});
add('form', {action: 'http://127.0.0.1:9/form', method: 'post'});
document.forms[document.forms.length - 1].submit();
fetch('http://127.0.0.1:9/fetch').catch(() => 0);
setTimeout(() => done({...seen, wasRun: window.wasRun === true}), 1000);
"""


def test_injected_elements_run_no_code_and_send_no_requests(demo: str) -> None:
    with open_browser() as opened:
        opened.driver.get(demo)
        opened.wait_for(EDITOR, text="EverythingAcrossVendors")
        seen = opened.driver.execute_async_script(ATTEMPTS)
        assert seen == {
            "script-src-elem": "refused",
            "img-src": "refused",
            "frame-src": "refused",
            "base-uri": "refused",
            "form-action": "refused",
            "connect-src": "refused",
            "wasRun": False,
        }
        assert opened.driver.get_cookies() == []
