"""The playground in a browser with the demo, and without another network."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.http.browser import CHROMEDRIVER, CHROMIUM, Browser, open_browser
from tests.processes import started

pytestmark = pytest.mark.skipif(
    not (Path(CHROMIUM).exists() and Path(CHROMEDRIVER).exists()),
    reason="Chromium or ChromeDriver is not installed; `make test` installs them where it is root",
)

RUN = "button.graphiql-execute-button"
EDITOR = ".graphiql-query-editor"
ANSWER = ".graphiql-response"
TAB = ".graphiql-tab-button"
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
        pytest.param(1, "OneExperimentWithItsSessions", '"vendorStatus"', marks=pytest.mark.slow),
        pytest.param(2, "FiguresOnOneScale", '"population": "SESSIONS"', marks=pytest.mark.slow),
        (3, "ExperimentsSideBySide", '"outcome": "IMPROVED"'),
        pytest.param(4, "SourcesAndTheirHealth", '"circuit": "CLOSED"', marks=pytest.mark.slow),
    ],
)
def test_every_other_worked_example_runs_without_an_error(
    browser: Browser, tmp_path: Path, number: int, name: str, shown: str
) -> None:
    browser.driver.find_elements("css selector", TAB)[number].click()
    browser.wait_for(EDITOR, text=name)
    text = answer(browser, tmp_path / f"{name}.png")
    assert shown in text
    assert '"errors"' not in text
    assert browser.console() == []


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
