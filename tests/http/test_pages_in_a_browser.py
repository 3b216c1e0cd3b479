"""The pages in a browser, over the demo and without another network."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from tests.gateway import Vendors, over_http
from tests.http.browser import Browser, open_browser
from tests.http.pages import (
    CASE,
    DASH,
    DIALOG,
    NEWEST,
    ROW,
    STATE,
    Demo,
    choose,
    click,
    needs_a_browser,
    resize,
    row_of,
    values,
)
from tests.http.test_playground_in_a_browser import ATTEMPTS
from tests.processes import started
from tests.worlds import fill, minutes
from tracegraph.http.auth.api_keys import hash_key, new_key
from tracegraph.simulators.langsmith.world import langsmith_run

pytestmark = needs_a_browser

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run().then(({violations}) => done(violations.map(({impact, id, nodes}) => [impact, id, nodes[0].html])));
"""


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with started("demo", "--port", "0") as process:
        yield Demo(process.url())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def comparison(demo: Demo) -> list[str]:
    return [demo.experiment("support-baseline"), demo.experiment("support-large-77d0be13")]


WORST = """
query($ids: [ID!]!) {
  comparison(experimentIds: $ids, joinOn: INPUT) {
    cases(metric: {kind: LATENCY}, orderBy: {field: DELTA}, first: 1) { nodes { key entries { value delta } } }
  }
}
"""


def test_four_clicks_lead_from_the_list_to_the_largest_regression_between_two_vendors(
    browser: Browser, demo: Demo
) -> None:
    browser.driver.get(f"{demo.pages}/")
    row_of(browser, "triage-smoke")
    choose(browser, "triage-nightly")
    choose(browser, "triage-router-v2")
    click(browser, ".selection button.primary")
    first = row_of(browser, "regressed", CASE)

    ids = parse_qs(urlsplit(browser.driver.current_url).query)["ids"][0].split(",")
    (worst,) = demo.ask(WORST, ids=ids)["comparison"]["cases"]["nodes"]
    baseline, other = worst["entries"]
    assert worst["key"] in first.text
    assert values(browser, first) == [baseline["value"], other["value"], other["delta"]]

    click(browser, f"{CASE} button", text=worst["key"])
    texts = browser.wait_for(f"{DIALOG} .side-by-side")
    assert [part.text for part in texts.find_elements("css selector", "h3")] == [
        "triage-nightly@2026-11-18 nemo",
        "triage-router-v2-9e11 langsmith",
    ]
    click(browser, f"{DIALOG} a", text="Open the session")
    assert browser.wait_for(".spans .span", text="ms").is_displayed()
    assert browser.console() == []


@pytest.mark.slow
def test_back_forward_reload_and_a_shared_address_show_the_same(
    browser: Browser, demo: Demo, comparison: list[str]
) -> None:
    browser.driver.get(f"{demo.pages}/compare?ids={','.join(comparison)}")
    click(browser, f"{CASE} button")
    shown = browser.wait_for(DIALOG, text="regressed").text
    address = browser.driver.current_url
    browser.driver.back()
    row_of(browser, "regressed", CASE)
    assert browser.driver.find_elements("css selector", DIALOG) == []
    browser.driver.forward()
    assert browser.wait_for(DIALOG, text="regressed").text == shown
    browser.driver.refresh()
    assert browser.wait_for(DIALOG, text="regressed").text == shown
    click(browser, f"{DIALOG} a", text="Open the session")
    assert browser.wait_for(".spans .span", text="ms").is_displayed()
    browser.driver.back()
    assert browser.wait_for(DIALOG, text="regressed").text == shown
    browser.driver.get("about:blank")
    browser.driver.get(address)
    assert browser.wait_for(DIALOG, text="regressed").text == shown


def test_the_pages_send_requests_to_the_gateway_only_and_name_their_documents_by_hash(
    browser: Browser, demo: Demo
) -> None:
    """Covers all that the pages before this test requested."""
    assert browser.requested_hosts() == {urlsplit(demo.pages).netloc}
    assert [url for url in browser.requested_urls() if "?query" in url] == []
    assert browser.console() == []
    assert browser.driver.get_cookies() == []


LISTED = """
query($filter: ExperimentFilter, $orderBy: ExperimentOrder) {
  experiments(first: 100, filter: $filter, orderBy: $orderBy) {
    nodes { name sessionCount aggregates { metric { kind evaluator } mean median sum } }
  }
}
"""


def shown_names(browser: Browser) -> list[str]:
    """Return the names of the list when every source has replied."""
    browser.wait_until(
        lambda driver: not driver.find_elements("css selector", ".state.waiting") or None,
        "a source does not reply",
    )
    return [link.text for link in browser.driver.find_elements("css selector", f"{ROW} td.col-name a")]


METRIC = {"field": "METRIC", "statistic": "MEDIAN"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "order", "condition"),
    [
        ("", {"field": "CREATED_AT"}, {}),
        ("?order=name", {"field": "NAME", "direction": "ASC"}, {}),
        ("?order=updated", {"field": "UPDATED_AT"}, {}),
        ("?order=sessions", {"field": "SESSION_COUNT"}, {}),
        ("?order=latency", METRIC | {"metric": {"kind": "LATENCY"}}, {}),
        ("?order=latency&direction=asc", METRIC | {"metric": {"kind": "LATENCY"}, "direction": "ASC"}, {}),
        ("?order=cost", {"field": "METRIC", "metric": {"kind": "COST"}, "statistic": "SUM"}, {}),
        (
            "?order=score%3Acorrectness",
            {"field": "METRIC", "metric": {"kind": "SCORE", "evaluator": "correctness"}},
            {},
        ),
        ("?q=support", {"field": "CREATED_AT"}, {"name": {"contains": "support"}}),
        ("?source=nemo,meibel", {"field": "CREATED_AT"}, {"sources": ["nemo", "meibel"]}),
        ("?order=tokens", METRIC | {"metric": {"kind": "TOTAL_TOKENS"}, "statistic": "SUM"}, {}),
        ("?order=errors", METRIC | {"metric": {"kind": "ERROR_RATE"}, "statistic": "MEAN"}, {}),
        ("?agent=support-assistant", {"field": "CREATED_AT"}, {"agentName": {"in": ["support-assistant"]}}),
        ("?dataset=triage", {"field": "CREATED_AT"}, {"datasetName": {"in": ["triage"]}}),
        ("?kind=AGENT", {"field": "CREATED_AT"}, {"kinds": ["AGENT"]}),
        (
            "?model=gpt-4.1&model=gpt-4.1-mini",
            {"field": "CREATED_AT"},
            {"model": {"in": ["gpt-4.1", "gpt-4.1-mini"]}},
        ),
        (
            "?since=2026-11-01&until=2026-11-10",
            {"field": "CREATED_AT"},
            {"createdAt": {"gte": "2026-11-01T00:00:00Z", "lt": "2026-11-11T00:00:00Z"}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_list_has_the_rows_and_the_order_of_the_api(
    browser: Browser, demo: Demo, query: str, order: dict[str, Any], condition: dict[str, Any]
) -> None:
    nodes = demo.ask(LISTED, filter=condition, orderBy=order)["experiments"]["nodes"]
    browser.driver.get(f"{demo.pages}/{query}")
    row_of(browser, nodes[0]["name"])
    assert shown_names(browser) == [node["name"] for node in nodes]


@pytest.mark.slow
def test_every_figure_of_the_list_is_the_apis_and_null_is_never_a_number(browser: Browser, demo: Demo) -> None:
    nodes = demo.ask(LISTED, orderBy={"field": "CREATED_AT"})["experiments"]["nodes"]
    browser.driver.get(f"{demo.pages}/")
    row_of(browser, nodes[-1]["name"])
    for row, node in zip(browser.driver.find_elements("css selector", ROW), nodes, strict=True):
        figures = {(one["metric"]["kind"], one["metric"]["evaluator"]): one for one in node["aggregates"]}
        columns = [("LATENCY", "median"), ("COST", "sum"), ("TOTAL_TOKENS", "sum"), ("ERROR_RATE", "mean")]
        expected = [node["sessionCount"], *(figures.get((kind, None), {}).get(name) for kind, name in columns)]
        scores = [one["mean"] for (kind, _), one in figures.items() if kind == "SCORE"]
        given = [value for value in [*expected, *scores] if value is not None]
        assert values(browser, row) == given, node["name"]
        tips = [one.get_attribute("title") or "" for one in row.find_elements("css selector", ".col-latency data")]
        assert all("reported by the vendor" in tip for tip in tips)
        for column, value in zip(("sessions", "latency", "cost", "tokens", "errors"), expected, strict=True):
            text = row.find_element("css selector", f"td.col-{column}").text
            assert text.startswith(DASH) == (value is None), (node["name"], column)


@pytest.mark.slow
def test_figures_are_computed_on_demand_and_say_so(browser: Browser, demo: Demo) -> None:
    browser.driver.get(f"{demo.pages}/?source=meibel")
    click(browser, f"{ROW} button", text="Compute")
    row = browser.wait_for(f"{ROW}:has(.col-latency data)")
    tip = row.find_element("css selector", ".col-latency data").get_attribute("title")
    assert tip is not None
    assert "computed by the gateway" in tip


@pytest.mark.slow
def test_a_filter_is_chosen_from_a_menu_and_is_in_the_address(browser: Browser, demo: Demo) -> None:
    browser.driver.get(f"{demo.pages}/")
    row_of(browser, "triage-smoke")
    click(browser, "button.menu", text="Dataset")
    click(browser, ".popover label", text="support-cases")
    browser.wait_until(lambda driver: "dataset=support-cases" in driver.current_url or None, "not in the address")
    assert len(shown_names(browser)) == 14
    browser.driver.back()
    browser.wait_until(lambda _: len(shown_names(browser)) == 36 or None, "not all rows")


@pytest.mark.slow
def test_the_rows_of_the_others_are_there_while_a_vendor_hangs_and_a_retry_brings_its_rows() -> None:
    with started("demo", "--port", "0") as process, open_browser() as browser:
        pages = process.url().removesuffix("graphql")
        process.wait_for("Ctrl-C")
        (faults,) = re.findall(r"curl (\S+/__faults)", process.out)
        httpx.post(faults, json={"kind": "hang", "times": None}, trust_env=False)
        # A filter that the first query of the demo did not have, so that no cached reply stands in.
        browser.driver.get(f"{pages}?q=a")
        row_of(browser, "Refund Approver")
        row_of(browser, "staging-support-chat")
        assert "no reply for" in browser.wait_for(f"{STATE.format('nemo')}.waiting", text="no reply").text
        failed = browser.wait_for("div.failed", text="nemo", timeout=30)
        assert "SOURCE_TIMEOUT" in failed.text
        assert "did not respond within" in failed.text
        row_of(browser, "Refund Approver")
        assert "failed" in browser.wait_for(STATE.format("nemo")).text
        httpx.delete(faults, trust_env=False)
        click(browser, "div.failed button", text="Try again")
        row_of(browser, "triage-smoke")
        assert browser.driver.find_elements("css selector", "div.failed") == []


@pytest.mark.slow
async def test_scrolling_loads_every_experiment_once_in_the_order_of_the_api(vendors: Vendors) -> None:
    fill(vendors, experiments=60, sessions=0)
    async with over_http(vendors.settings()) as gateway:
        query = "{ experiments(first: 500) { nodes { id } } }"
        expected = [node["id"] for node in (await gateway.ask(query)).data["experiments"]["nodes"]]
        with open_browser() as browser:
            found = await asyncio.to_thread(scroll_through, browser, str(gateway.http.base_url), len(expected))
    assert found == expected


def scroll_through(browser: Browser, url: str, count: int) -> list[str]:
    """Scroll down until the list has that many rows, and return their IDs."""
    browser.driver.get(url)

    def has_all(_: object) -> bool | None:
        browser.driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
        return len(browser.driver.find_elements("css selector", ROW)) >= count or None

    browser.wait_until(has_all, "not every row came", timeout=60)
    links = "return [...document.querySelectorAll('main > .scroll .col-name a')].map((one) => one.pathname)"
    paths: list[str] = browser.driver.execute_script(links)
    return [httpx.URL(path).path.removeprefix("/experiments/") for path in paths]


COMPARED = """
query($ids: [ID!]!) {
  comparison(experimentIds: $ids, joinOn: INPUT) {
    metrics { metric { name } best { name } entries { value delta ratio } }
  }
}
"""


@pytest.mark.slow
def test_the_cards_have_the_apis_values_differences_ratios_and_the_best(
    browser: Browser, demo: Demo, comparison: list[str]
) -> None:
    browser.driver.get(f"{demo.pages}/compare?ids={','.join(comparison)}")
    for metric in demo.ask(COMPARED, ids=comparison)["comparison"]["metrics"]:
        card = browser.wait_for(f'[data-metric="{metric["metric"]["name"]}"]')
        baseline, other = metric["entries"]
        assert values(browser, card) == [baseline["value"], other["value"], other["delta"], other["ratio"]]
        assert metric["best"]["name"] in card.find_element("css selector", "tr.best").text


@pytest.mark.slow
def test_a_comparison_is_exported_as_csv_and_json_and_a_chart_as_svg(
    browser: Browser, demo: Demo, comparison: list[str], tmp_path: Path
) -> None:
    browser.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    browser.driver.get(f"{demo.pages}/compare?ids={','.join(comparison)}")
    browser.wait_for(".drawing svg")
    for text in ("Figures CSV", "Cases CSV", "JSON"):
        click(browser, ".exports button", text=text)
    click(browser, ".chart button", text="SVG")
    names = {"figures.csv", "cases.csv", "comparison.json", "Latency-mean.svg"}
    browser.wait_until(lambda _: {path.name for path in tmp_path.iterdir()} == names or None, "not every file")
    exported = json.loads((tmp_path / "comparison.json").read_text())
    assert len(exported["cases"]["nodes"]) == 120
    figures = (tmp_path / "figures.csv").read_text().splitlines()
    assert len(figures) == 1 + 2 * len(exported["metrics"])
    assert len((tmp_path / "cases.csv").read_text().splitlines()) == 1 + 2 * 120
    assert (tmp_path / "Latency-mean.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_cases_are_filtered_by_outcome_and_text_and_another_experiment_becomes_the_baseline(
    browser: Browser, demo: Demo, comparison: list[str]
) -> None:
    browser.driver.get(f"{demo.pages}/compare?ids={','.join(comparison)}&outcome=IMPROVED&text=basalt")
    browser.wait_for(".cases h2 small", text="cases")
    rows = browser.driver.find_elements("css selector", CASE)
    assert rows
    assert all("Basalt" in row.text and "improved" in row.text for row in rows)
    click(browser, ".compared-one:nth-of-type(2) input")
    browser.wait_until(
        lambda driver: parse_qs(urlsplit(driver.current_url).query).get("baseline") == comparison[1:] or None,
        "the baseline is not in the address",
    )
    browser.wait_until(lambda _: "baseline" in latency_rows(browser)[1] or None, "the baseline did not change")


def latency_rows(browser: Browser) -> list[str]:
    card = browser.wait_for('[data-metric="latency"]')
    return [row.text for row in card.find_elements("css selector", "tbody tr")]


DETAILS = """
query($id: ID!) {
  experiment(id: $id) {
    aggregates(basis: BEST) { mean median p95 p99 sum count }
    sessions(first: 25, orderBy: {field: LATENCY}) { nodes { latencyMs } }
  }
}
"""


@pytest.mark.slow
def test_an_experiment_shows_the_apis_figures_its_time_series_and_its_sessions_in_any_order(
    browser: Browser, demo: Demo, comparison: list[str]
) -> None:
    expected = demo.ask(DETAILS, id=comparison[0])["experiment"]
    browser.driver.get(f"{demo.pages}/experiments/{quote(comparison[0], safe='')}?order=latency")
    table = browser.wait_for('section[aria-label="Figures"] table')
    names = ("mean", "median", "p95", "p99", "sum", "count")
    given = [one[name] for one in expected["aggregates"] for name in names if one[name] is not None]
    assert values(browser, table) == given
    browser.wait_for(".drawing svg")
    assert len(browser.driver.find_elements("css selector", ".chart")) == 3
    sessions = browser.wait_for('section[aria-label="Sessions"] table')
    shown = [values(browser, cell)[0] for cell in sessions.find_elements("css selector", ".col-latency")[:25]]
    assert shown == [one["latencyMs"] for one in expected["sessions"]["nodes"]]
    click(browser, 'section[aria-label="Over time"] option[value="HOUR"]')
    browser.wait_until(lambda driver: "interval=HOUR" in driver.current_url or None, "not in the address")
    assert browser.console() == []


@pytest.mark.slow
def test_a_session_shows_its_spans_and_the_chosen_one_in_full(browser: Browser, demo: Demo) -> None:
    experiment = demo.experiment("support-mini-v2-5d00e9c1")
    (session,) = demo.ask(NEWEST, id=experiment)["experiment"]["sessions"]["nodes"]
    spans = session["spans"]["nodes"]
    browser.driver.get(f"{demo.pages}/sessions/{quote(session['id'], safe='')}")
    rows = browser.wait_for(".spans").find_elements("css selector", ".span")
    assert [span["name"] in row.text for span, row in zip(spans, rows, strict=True)] == [True] * len(spans)
    rows[-1].click()
    browser.wait_for(".span-panel h3", text=spans[-1]["name"])
    assert "span=" in browser.driver.current_url
    browser.driver.refresh()
    browser.wait_for(".span-panel h3", text=spans[-1]["name"])


@pytest.mark.slow
def test_the_sources_show_their_health_and_what_they_can_do(browser: Browser, demo: Demo) -> None:
    browser.driver.get(f"{demo.pages}/sources")
    for name in ("nemo", "langsmith", "meibel"):
        card = browser.wait_for(f'[data-source="{name}"]:has(.up)')
        assert "closed" in card.text
        card.find_element("css selector", "summary").click()
        assert "FILTERS OF EXPERIMENTS" in card.text.upper()


@pytest.mark.slow
def test_the_pages_are_used_by_keyboard_alone(demo: Demo) -> None:
    from selenium.webdriver.common.keys import Keys  # noqa: PLC0415 - slow to import

    with open_browser() as browser:
        browser.driver.get(f"{demo.pages}/?q=support-mini")
        row_of(browser, "support-mini-8c1f20aa")

        def press(*keys: str) -> None:
            browser.driver.switch_to.active_element.send_keys(*keys)

        def tab_to(css: str) -> None:
            for _ in range(80):
                press(Keys.TAB)
                if browser.driver.execute_script(f"return document.activeElement.matches('{css}')"):
                    return
            raise AssertionError(f"no way to {css} by Tab")

        tab_to(".col-choose input")
        press(Keys.SPACE)
        tab_to(".col-choose input")
        press(Keys.SPACE)
        tab_to(".selection .primary")
        press(Keys.ENTER)
        browser.wait_for(CASE)
        tab_to(".case-key")
        press(Keys.ENTER)
        browser.wait_for(f"{DIALOG} pre")
        press(Keys.ESCAPE)
        browser.wait_until(lambda driver: not driver.find_elements("css selector", DIALOG) or None, "still open")


@pytest.mark.slow
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed; `make test` installs it where npm is")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_wider_than_the_window_or_has_a_serious_fault_of_accessibility(
    demo: Demo, comparison: list[str], width: int, theme: Any, tmp_path: Path
) -> None:
    (session,) = demo.ask(NEWEST, id=comparison[1])["experiment"]["sessions"]["nodes"]
    pages = {
        "/": ROW,
        f"/compare?ids={','.join(comparison)}": ".drawing svg",
        f"/experiments/{quote(comparison[0], safe='')}": ".drawing svg",
        f"/sessions/{quote(session['id'], safe='')}": ".span-panel pre",
        "/sources": ".card .up",
    }
    with open_browser(theme=theme) as browser:
        resize(browser, width)
        for number, (path, css) in enumerate(pages.items()):
            browser.driver.get(demo.pages + path)
            browser.wait_for(css)
            browser.driver.save_screenshot(str(tmp_path / f"{number}-{width}-{theme}.png"))
            page = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            widths = browser.driver.execute_script(page)
            assert widths[0] <= widths[1], path
            browser.driver.execute_script(AXE.read_text())
            found = browser.driver.execute_async_script(RUN_AXE)
            assert [one for one in found if one[0] in {"serious", "critical"}] == [], path
        assert browser.console() == []


CALLER = new_key()


@pytest.mark.slow
async def test_with_keys_a_page_asks_for_one_and_keeps_it_in_the_session_of_the_tab(
    vendors: Vendors, tmp_path: Path
) -> None:
    """The gateway runs trusted documents only, as in production."""
    fill(vendors, experiments=2, sessions=1)
    (tmp_path / "other.graphql").write_text("query Other { sources { id } }")
    settings = vendors.settings(
        auth={"keys": {"someone": {"sha256": hash_key(CALLER)}}},
        documents={"trusted": str(tmp_path), "only_trusted": True},
    )
    async with over_http(settings) as gateway:
        with open_browser() as browser:
            await asyncio.to_thread(enter_keys, browser, str(gateway.http.base_url))


def enter_keys(browser: Browser, url: str) -> None:
    """Enter a wrong key, then the right one."""
    browser.driver.get(url)
    browser.wait_for("dialog input").send_keys("wrong")
    click(browser, "dialog button")
    browser.wait_until(
        lambda driver: driver.find_element("css selector", "dialog input").get_attribute("value") == "" or None,
        "the page does not ask again",
    )
    browser.wait_for("dialog input").send_keys(CALLER)
    click(browser, "dialog button")
    browser.wait_for(ROW)
    kept = "return [sessionStorage.getItem('tracegraph-key'), localStorage.length, document.cookie]"
    assert browser.driver.execute_script(kept) == [CALLER, 0, ""]
    browser.driver.refresh()
    browser.wait_for(ROW)
    click(browser, "nav button", text="Forget the key")
    browser.wait_for("dialog input")
    assert browser.driver.execute_script(kept)[0] is None


@pytest.mark.slow
async def test_a_page_that_follows_an_experiment_shows_new_sessions_and_keeps_its_place(vendors: Vendors) -> None:
    fill(vendors, experiments=1, sessions=60)
    async with over_http(vendors.settings()) as gateway:
        (node,) = (await gateway.ask('{ experiments(filter: {name: {eq: "l0"}}) { nodes { id } } }')).data[
            "experiments"
        ]["nodes"]
        url = f"{gateway.http.base_url}/experiments/{quote(node['id'], safe='')}?follow=yes&rows=50"
        with open_browser() as browser:
            place = await asyncio.to_thread(open_and_scroll, browser, url)
            (runs,) = vendors.langsmith.world.runs.values()
            runs.append(langsmith_run("the-new-one", name="the-new-one", start_time=minutes(60)))
            await asyncio.to_thread(browser.wait_for, "td.col-name", text="the-new-one", timeout=40)
            assert browser.driver.execute_script("return window.scrollY") == place


def open_and_scroll(browser: Browser, url: str) -> int:
    """Open a page and scroll to the end of its table. Return the position."""
    browser.driver.get(url)
    browser.wait_for('section[aria-label="Sessions"] tbody tr:nth-child(50)')
    browser.wait_for(".drawing svg")
    browser.driver.execute_script("window.scrollTo(0, 900)")
    return int(browser.driver.execute_script("return window.scrollY"))


@pytest.mark.slow
def test_injected_elements_run_no_code_and_send_no_requests(demo: Demo) -> None:
    with open_browser() as opened:
        opened.driver.get(demo.pages)
        opened.wait_for(ROW)
        seen = opened.driver.execute_async_script(ATTEMPTS)
    refused = ("script-src-elem", "img-src", "frame-src", "base-uri", "form-action", "connect-src")
    assert seen == {**dict.fromkeys(refused, "refused"), "wasRun": False}
