"""The pages in a browser over names, addresses and sizes that no vendor of the demo has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.gateway import Gateway, Vendors, over_http
from tests.http.browser import Browser, open_browser
from tests.http.pages import CASE, ROW, click, needs_a_browser
from tests.worlds import minutes
from tracegraph.http.auth.api_keys import hash_key
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session

pytestmark = [needs_a_browser, pytest.mark.slow]

BLANK = "   "
OVERRIDE = "\N{RIGHT-TO-LEFT OVERRIDE}"
LONG = "long " * 40
TWIN = "twin"
WRONG_ADDRESSES = [
    "/?until=foo",
    "/?since=20266-01-01",
    "/?order=constructor",
    "/?kind=FOO",
]
WRONG_CHOICES = ["statistic=FOO", "basis=FOO", "join=FOO", "outcome=FOO"]
MEDIANS = (
    "return [...document.querySelectorAll('.chart text')].filter((one) => one.textContent.startsWith('median'))"
)
OUTSIDE = """
return [...document.querySelectorAll('.chart text')].filter((one) => one.textContent.startsWith('median'))
  .map((one) => [one.getBoundingClientRect(), one.closest('svg').getBoundingClientRect()])
  .filter(([text, chart]) => text.left < chart.left || text.right > chart.right).length
"""
OVERLAPS = """
const boxes = [...document.querySelectorAll('svg[aria-label^="Cost against"] text')]
  .filter((one) => one.textContent.includes('(langsmith)')).map((one) => one.getBoundingClientRect());
const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
return [boxes.length, boxes.filter((a, i) => boxes.some((b, j) => i < j && !apart(a, b))).length];
"""
WIDE = """
return [...document.querySelectorAll('.chart text')].filter(
  (one) => one.getBoundingClientRect().right > one.closest('svg').getBoundingClientRect().right + 1).length
"""
RECORD = """
window.shown = [];
new MutationObserver(() => {
  const keys = [...document.querySelectorAll(arguments[0])].map((one) => one.innerText);
  if (new Set(keys).size < keys.length) window.shown.push(keys.length);
}).observe(document.body, {childList: true, subtree: true});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


def fill(vendors: Vendors, count: int, *, cases: int = 12, name: str | None = None) -> list[str]:
    """Add LangSmith experiments of the same cases, and return their IDs' vendor parts in order."""
    ids = []
    for index in range(count):
        vendor_id = stable_uuid(f"odd:{index}")
        runs = [
            langsmith_run(
                f"{index}-{case}",
                start_time=minutes(case),
                latency_s=1 + case * (index + 1) / 10,
                inputs={"input": f"Question {case}?"},
            )
            for case in range(cases)
        ]
        title = name if name is not None else f"odd-{index}"
        vendors.langsmith.world.add(langsmith_session(title, id=vendor_id, start_time=minutes(index)), runs)
        ids.append(vendor_id)
    return ids


QUERY = "{ experiments(orderBy: {field: CREATED_AT, direction: ASC}) { nodes { id } } }"


async def addresses(gateway: Gateway) -> list[str]:
    answer = await gateway.ask(QUERY)
    return [node["id"] for node in answer.data["experiments"]["nodes"]]


async def test_a_menu_whose_values_could_not_be_read_says_so(vendors: Vendors, browser: Browser) -> None:
    for vendor in (vendors.nemo, vendors.langsmith, vendors.meibel):
        vendor.fail(Fault("status", status=401, times=None))
    async with over_http(vendors.settings()) as gateway:
        await asyncio.to_thread(open_a_menu_without_values, browser, str(gateway.http.base_url))


def open_a_menu_without_values(browser: Browser, base: str) -> None:
    browser.driver.get(f"{base}/")
    click(browser, "button.menu", "Dataset")
    browser.wait_for(".popover", text="The values could not be read.")


async def test_an_address_with_values_that_do_not_exist_shows_the_page_without_them(
    vendors: Vendors, browser: Browser
) -> None:
    fill(vendors, 2)
    async with over_http(vendors.settings()) as gateway:
        base = str(gateway.http.base_url)
        ids = ",".join(await addresses(gateway))
        await asyncio.to_thread(open_wrong_addresses, browser, base, ids)


def open_wrong_addresses(browser: Browser, base: str, ids: str) -> None:
    for address in WRONG_ADDRESSES:
        browser.driver.get(f"{base}{address}")
        browser.wait_for(ROW)
        assert browser.driver.find_elements("css selector", "div.failed") == [], address
    for choice in WRONG_CHOICES:
        browser.driver.get(f"{base}/compare?ids={ids}&{choice}")
        browser.wait_for(".card")
        assert browser.driver.find_elements("css selector", "div.failed") == [], choice
    browser.driver.get(f"{base}/experiments/%E0%A4")
    browser.wait_for("div.failed code", text="INVALID_ID")


async def test_a_comparison_that_fails_leads_back_to_the_choice(vendors: Vendors, browser: Browser) -> None:
    fill(vendors, 2)
    async with over_http(vendors.settings()) as gateway:
        address = f"{gateway.http.base_url}/compare?ids={(await addresses(gateway))[0]},bogus"
        await asyncio.to_thread(leave_a_failed_comparison, browser, address)


def leave_a_failed_comparison(browser: Browser, address: str) -> None:
    browser.driver.get(address)
    browser.wait_for("div.failed", text="INVALID_ID")
    assert browser.wait_for("h1").text == "Compare"
    click(browser, "main a", text="Choose others")
    browser.wait_for(ROW)


async def test_a_name_of_blanks_and_equal_names_are_shown_so_that_they_are_told_apart(
    vendors: Vendors, browser: Browser
) -> None:
    fill(vendors, 3, name=TWIN)
    vendors.langsmith.world.sessions[2]["name"] = BLANK
    async with over_http(vendors.settings()) as gateway:
        ids = await addresses(gateway)
        await asyncio.to_thread(look_at_names, browser, str(gateway.http.base_url), ids)


def look_at_names(browser: Browser, base: str, ids: list[str]) -> None:
    browser.driver.get(f"{base}/compare?join=INPUT&ids={','.join([*ids, ids[0]])}")
    browser.wait_for(".chart text", text="twin (langsmith) #2")
    shown = [one.text for one in browser.driver.find_elements("css selector", ".compared-one a")]
    assert shown == ["twin (langsmith) #1", "twin (langsmith) #2", "(no name)"]
    bars = browser.wait_for('svg[aria-label^="Latency, mean"]').get_attribute("aria-label") or ""
    for name in ("twin (langsmith) #1: ", "twin (langsmith) #2: ", "(no name) (langsmith): "):
        assert name in bars
    outcomes = [
        one.text for one in browser.driver.find_elements("css selector", '[data-metric="latency"] .outcomes')
    ]
    assert [text.partition(": ")[0] for text in outcomes] == shown[1:]
    browser.driver.get(f"{base}/")
    click(browser, f"{ROW} a", text="(no name)")
    assert browser.wait_for("h1").text == "(no name)"


async def test_a_name_turns_no_text_beside_it_and_ends_inside_its_chart(
    vendors: Vendors, browser: Browser
) -> None:
    fill(vendors, 3)
    vendors.langsmith.world.sessions[1]["name"] = f"{OVERRIDE}odd"
    vendors.langsmith.world.sessions[2]["name"] = LONG
    async with over_http(vendors.settings()) as gateway:
        address = f"{gateway.http.base_url}/compare?join=INPUT&ids={','.join(await addresses(gateway))}"
        await asyncio.to_thread(look_at_directions, browser, address)


def look_at_directions(browser: Browser, address: str) -> None:
    browser.driver.get(address)
    for chart in ("Latency, mean", "Latency: distribution", "Cost against"):
        browser.wait_for(f'svg[aria-label^="{chart}"]')
    assert OVERRIDE not in (browser.wait_for("main").get_attribute("textContent") or "")
    assert browser.driver.execute_script(WIDE) == 0


async def test_twelve_experiments_leave_room_for_the_case_and_for_every_text_of_the_charts(
    vendors: Vendors, browser: Browser
) -> None:
    fill(vendors, 12)
    async with over_http(vendors.settings()) as gateway:
        address = f"{gateway.http.base_url}/compare?join=INPUT&ids={','.join(await addresses(gateway))}"
        await asyncio.to_thread(measure, browser, address)


def measure(browser: Browser, address: str) -> None:
    browser.driver.get(address)
    assert browser.wait_for(f"{CASE} td.col-case").size["width"] >= 200
    browser.wait_until(lambda driver: len(driver.execute_script(MEDIANS)) == 12 or None, "no medians")
    assert browser.driver.execute_script(OUTSIDE) == 0
    browser.wait_for('svg[aria-label^="Cost against"]')
    assert browser.driver.execute_script(OVERLAPS) == [12, 0]


async def test_while_the_next_cases_load_no_case_is_shown_twice(vendors: Vendors, browser: Browser) -> None:
    fill(vendors, 2, cases=25)
    async with over_http(vendors.settings()) as gateway:
        address = f"{gateway.http.base_url}/compare?join=INPUT&ids={','.join(await addresses(gateway))}"
        await asyncio.to_thread(load_more_cases, browser, address)


def load_more_cases(browser: Browser, address: str) -> None:
    browser.driver.get(address)
    browser.wait_for(CASE)
    browser.driver.execute_script(RECORD, "button.case-key")
    click(browser, ".cases button.more")
    browser.wait_until(
        lambda driver: len(driver.find_elements("css selector", CASE)) == 20 or None, "no more cases"
    )
    click(browser, ".cases button.more")
    browser.wait_until(
        lambda driver: len(driver.find_elements("css selector", CASE)) == 25 or None, "no more cases"
    )
    assert browser.driver.execute_script("return window.shown") == []


async def test_spans_stay_when_the_next_ones_cannot_be_read(vendors: Vendors, browser: Browser) -> None:
    root = langsmith_run("root")
    spans = [langsmith_run(f"child-{index}", parent=root) for index in range(600)]
    vendors.langsmith.world.add(langsmith_session("spans"), [root, *spans])
    query = '{ experiments(filter: {name: {eq: "spans"}}) { nodes { sessions { nodes { id } } } } }'
    async with over_http(vendors.settings()) as gateway:
        (experiment,) = (await gateway.ask(query)).data["experiments"]["nodes"]
        (session,) = experiment["sessions"]["nodes"]
        await asyncio.to_thread(
            browser.driver.get, f"{gateway.http.base_url}/sessions/{quote(session['id'], safe='')}"
        )
        await asyncio.to_thread(browser.wait_for, ".spans li")
        vendors.langsmith.fail(Fault("status", times=None))
        await asyncio.to_thread(read_on, browser)


def read_on(browser: Browser) -> None:
    click(browser, "button.more")
    browser.wait_for("div.failed", text="The spans could not be read.")
    assert len(browser.driver.find_elements("css selector", ".spans li")) == 500


async def test_the_groups_of_another_dimension_wait_for_their_own_figures(
    vendors: Vendors, browser: Browser
) -> None:
    """The figures of the dimension before never stand under its name."""
    fill(vendors, 1)
    async with over_http(vendors.settings(cache={"url": "off"})) as gateway:
        (experiment,) = await addresses(gateway)
        url = f"{gateway.http.base_url}/experiments/{quote(experiment, safe='')}"
        await asyncio.to_thread(browser.driver.get, url)
        await asyncio.to_thread(browser.wait_for, 'section[aria-label="Groups"] tbody tr', text="success")
        vendors.langsmith.fail(Fault("hang", times=None))
        await asyncio.to_thread(choose_models, browser)


def choose_models(browser: Browser) -> None:
    from selenium.webdriver.support.select import Select  # noqa: PLC0415

    Select(browser.wait_for('section[aria-label="Groups"] select')).select_by_value("MODEL")
    browser.wait_for('section[aria-label="Groups"] .loading')
    assert browser.driver.find_elements("css selector", 'section[aria-label="Groups"] tbody tr') == []


async def test_cases_without_ids_of_the_vendor_can_meet_by_their_input(vendors: Vendors, browser: Browser) -> None:
    fill(vendors, 2)
    async with over_http(vendors.settings()) as gateway:
        address = f"{gateway.http.base_url}/compare?ids={','.join(await addresses(gateway))}"
        await asyncio.to_thread(meet_by_input, browser, address)


def meet_by_input(browser: Browser, address: str) -> None:
    browser.driver.get(address)
    click(browser, ".cases button", text="Let cases meet by their input")
    browser.wait_for(CASE, text="Question")
    assert "join=INPUT" in browser.driver.current_url


async def test_a_year_is_typed_without_a_search_for_each_digit(vendors: Vendors, browser: Browser) -> None:
    fill(vendors, 1)
    async with over_http(vendors.settings()) as gateway:
        await asyncio.to_thread(type_a_day, browser, str(gateway.http.base_url))


def type_a_day(browser: Browser, base: str) -> None:
    browser.driver.get(f"{base}/")
    browser.wait_for(ROW)
    before = browser.driver.execute_script("return history.length")
    browser.wait_for("input[type=date]").send_keys("01022026")
    browser.wait_until(
        lambda driver: "since=2026-01-02" in driver.current_url or None, "the day is not in the address"
    )
    assert browser.driver.execute_script("return history.length") == before + 1


async def test_a_wrong_key_is_called_wrong_and_one_that_cannot_be_sent_is_not_accepted(
    vendors: Vendors, browser: Browser
) -> None:
    fill(vendors, 1)
    settings = vendors.settings(auth={"keys": {"someone": {"sha256": hash_key("right")}}})
    async with over_http(settings) as gateway:
        await asyncio.to_thread(enter_wrong_keys, browser, str(gateway.http.base_url))


def enter_wrong_keys(browser: Browser, base: str) -> None:
    browser.driver.get(f"{base}/")
    field = browser.wait_for("dialog input")
    assert "did not accept" not in browser.wait_for("dialog").text
    field.send_keys("schl\N{LATIN SMALL LETTER U WITH DIAERESIS}ssel\N{EURO SIGN}")
    click(browser, "dialog button")
    assert browser.driver.execute_script("return document.querySelector('dialog input:invalid') !== null")
    assert browser.driver.execute_script("return sessionStorage.getItem('tracegraph-key')") is None
    field.clear()
    field.send_keys("wrong")
    click(browser, "dialog button")
    browser.wait_for("dialog", text="did not accept the key")
