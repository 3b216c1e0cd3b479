"""The pages in a browser over vendors of the tests: hanging ones, five of them, texts that differ."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from tests.five_vendors import ALL_NAMES, EXPERIMENTS, MLFLOW, PHOENIX, FiveVendors, experiment_id
from tests.gateway import Vendors, over_http
from tests.http.browser import Browser, open_browser
from tests.http.pages import CASE, DIALOG, ROW, STATE, click, needs_a_browser
from tests.worlds import fill
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.mlflow.world import mlflow_feedback

pytestmark = [needs_a_browser, pytest.mark.slow]

HANG = Fault("hang", times=None)
SESSION_ROW = 'section[aria-label="Sessions"] tbody tr'


async def test_a_comparison_sends_all_its_queries_before_the_first_reply(vendors: Vendors) -> None:
    """So it takes as long as a hanging vendor's time-out, and not several times as long."""
    fill(vendors, experiments=1, sessions=3)
    async with over_http(vendors.settings()) as gateway:
        nodes = (await gateway.ask("{ experiments { nodes { id } } }")).data["experiments"]["nodes"]
        address = f"{gateway.http.base_url}/compare?ids={','.join(node['id'] for node in nodes)}"
        for name in ("nemo", "langsmith", "meibel"):
            vendors.named(name).fail(HANG)
        with open_browser() as browser:
            sent = await asyncio.to_thread(compare, browser, address)
    # The names, the figures, the cases, the distributions, cost and quality.
    assert len(sent) >= 5


def compare(browser: Browser, address: str) -> set[str]:
    """Open a comparison whose sources fail, and return the queries that were sent before the first reply."""
    browser.driver.get(address)
    browser.wait_for("div.failed", text="did not respond within", timeout=30)
    sent: set[str] = set()
    for entry in browser.driver.get_log("performance"):  # type: ignore[no-untyped-call]
        event = json.loads(entry["message"])["message"]
        request = event["params"].get("requestId")
        if event["method"] == "Network.requestWillBeSent" and event["params"]["request"]["url"].endswith(
            "/graphql"
        ):
            sent.add(request)
        elif event["method"] == "Network.responseReceived" and request in sent:
            break
    return sent


async def test_the_sessions_grow_step_by_step_as_the_visitor_scrolls(vendors: Vendors) -> None:
    fill(vendors, experiments=1, sessions=60)
    async with over_http(vendors.settings()) as gateway:
        (node,) = (await gateway.ask('{ experiments(filter: {name: {eq: "l0"}}) { nodes { id } } }')).data[
            "experiments"
        ]["nodes"]
        url = f"{gateway.http.base_url}/experiments/{quote(node['id'], safe='')}"
        with open_browser() as browser:
            address = await asyncio.to_thread(scroll_to_the_last_session, browser, url)
    assert address == f"{url}?rows=100"


def scroll_to_the_last_session(browser: Browser, url: str) -> str:
    browser.driver.get(url)
    browser.wait_for(SESSION_ROW)

    def has_all(_: object) -> bool | None:
        browser.driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
        return (
            len(browser.driver.find_elements("css selector", 'section[aria-label="Sessions"] tbody tr')) == 60
            or None
        )

    browser.wait_until(has_all, "not every session came")
    return browser.driver.current_url


async def test_a_part_that_fails_says_so_and_keeps_back_no_other(vendors: Vendors) -> None:
    """Figures that could not be read are not the same as no figures."""
    fill(vendors, experiments=1, sessions=2)
    vendors.langsmith.fail(Fault("status", status=500, times=None, path="/api/v1/runs"))
    async with over_http(vendors.settings()) as gateway:
        (node,) = (await gateway.ask('{ experiments(filter: {name: {eq: "l0"}}) { nodes { id } } }')).data[
            "experiments"
        ]["nodes"]
        url = f"{gateway.http.base_url}/experiments/{quote(node['id'], safe='')}"
        with open_browser() as browser:
            await asyncio.to_thread(look_at_a_failed_part, browser, url)


def look_at_a_failed_part(browser: Browser, url: str) -> None:
    browser.driver.get(url)
    browser.wait_for("h1", text="l0")
    browser.wait_for("div.failed", text="A part of the experiment could not be read.")
    browser.wait_for("div.failed", text="No groups.")
    assert browser.driver.find_elements("css selector", "main")[0].text.count("There are no") == 0


async def test_the_words_in_which_two_outputs_differ_are_marked(vendors: Vendors) -> None:
    for name, side in (("one", "left"), ("two", "right")):
        run = langsmith_run(name, inputs={"input": "Where?"}, outputs={"output": f"On the {side} of it."})
        vendors.langsmith.world.add(langsmith_session(name), [run])
    async with over_http(vendors.settings()) as gateway:
        query = "{ experiments(orderBy: {field: NAME, direction: ASC}) { nodes { id } } }"
        nodes = (await gateway.ask(query)).data["experiments"]["nodes"]
        address = f"{gateway.http.base_url}/compare?ids={','.join(node['id'] for node in nodes)}&join=INPUT"
        with open_browser() as browser:
            await asyncio.to_thread(look_at_differences, browser, address)


def look_at_differences(browser: Browser, address: str) -> None:
    browser.driver.get(address)
    click(browser, f"{CASE} button")
    browser.wait_for(f"{DIALOG} ins", text="right")
    assert [one.text for one in browser.driver.find_elements("css selector", f"{DIALOG} ins")] == ["right"]
    assert [one.text for one in browser.driver.find_elements("css selector", f"{DIALOG} del")] == ["left"]
    baseline, _ = browser.driver.find_elements("css selector", f"{DIALOG} .entry")
    assert baseline.find_elements("css selector", "ins, del") == []


@pytest.fixture
async def five() -> AsyncIterator[FiveVendors]:
    async with FiveVendors.open() as opened:
        yield opened


async def test_the_list_shows_the_rows_of_five_vendors_and_a_session_the_reason_of_its_score(
    five: FiveVendors,
) -> None:
    trace = next(one["trace_info"] for one in five.mlflow.world.traces if one["trace_info"].get("assessments"))
    trace["assessments"].append(mlflow_feedback("polite", 0.25, rationale="It greets nobody."))
    async with over_http(five.settings()) as gateway:
        query = "query($id: ID!) { experiment(id: $id) { sessions { nodes { id scores { explanation } } } } }"
        answer = await gateway.ask(query, id=experiment_id(MLFLOW, 1))
        (session,) = [
            node["id"]
            for node in answer.data["experiment"]["sessions"]["nodes"]
            if any(score["explanation"] for score in node["scores"])
        ]
        with open_browser() as browser:
            await asyncio.to_thread(look_at_five, browser, str(gateway.http.base_url), session)


def look_at_five(browser: Browser, url: str, session: str) -> None:
    browser.driver.get(url)
    for name in ALL_NAMES:
        assert f"{EXPERIMENTS} experiments" in browser.wait_for(f"{STATE.format(name)}.ok").text
    rows = browser.driver.find_elements("css selector", ROW)
    assert sum(PHOENIX in row.text for row in rows) == EXPERIMENTS
    browser.driver.get(f"{url}/sessions/{quote(session, safe='')}")
    scores = browser.wait_for('section[aria-label="Scores"]').text
    assert "polite 0.25" in scores
    assert "It greets nobody." in scores
    assert browser.console() == []
