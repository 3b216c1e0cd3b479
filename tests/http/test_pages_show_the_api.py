"""Every figure and text of the pages of an experiment, a session and a case is the API's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.http.browser import Browser, open_browser
from tests.http.pages import Demo, needs_a_browser, values
from tests.processes import started

pytestmark = [needs_a_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with started("demo", "--port", "0") as process:
        yield Demo(process.url())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


GROUPS = """
query($id: ID!, $by: SessionDimension!) {
  experiment(id: $id) {
    sessionGroups(by: $by, metrics: [{kind: LATENCY}, {kind: COST}, {kind: ERROR_RATE}]) {
      groups { key sessionCount aggregates { metric { kind } mean median sum } }
    }
  }
}
"""


@pytest.mark.parametrize("by", ["STATUS", "MODEL", "AGENT_VERSION"])
def test_the_groups_of_an_experiment_have_the_apis_figures(browser: Browser, demo: Demo, by: str) -> None:
    experiment = demo.experiment("support-baseline")
    groups = demo.ask(GROUPS, id=experiment, by=by)["experiment"]["sessionGroups"]["groups"]
    browser.driver.get(f"{demo.pages}/experiments/{quote(experiment, safe='')}?groups={by}")
    table = browser.wait_for('section[aria-label="Groups"] table')
    rows = table.find_elements("css selector", "tbody tr")
    assert [values(browser, row) for row in rows] == [group_values(group) for group in groups]


def group_values(group: dict[str, Any]) -> list[float]:
    figures = {one["metric"]["kind"]: one for one in group["aggregates"]}
    columns = [("LATENCY", "median"), ("COST", "sum"), ("ERROR_RATE", "mean")]
    shown = [group["sessionCount"], *(figures.get(kind, {}).get(name) for kind, name in columns)]
    return [value for value in shown if value is not None]


FILTERED = """
query($id: ID!, $filter: ExperimentSessionFilter) {
  experiment(id: $id) { sessions(first: 25, filter: $filter) { nodes { id vendorId name } } }
}
"""


@pytest.mark.parametrize(
    ("query", "condition"),
    [("status=ERROR", {"statuses": ["ERROR"]}), ("text=keyboard", {"text": "keyboard"})],
    ids=["status", "text"],
)
def test_the_sessions_of_an_experiment_are_filtered_as_the_api_filters(
    browser: Browser, demo: Demo, query: str, condition: dict[str, Any]
) -> None:
    experiment = demo.experiment("support-baseline")
    expected = demo.ask(FILTERED, id=experiment, filter=condition)["experiment"]["sessions"]
    browser.driver.get(f"{demo.pages}/experiments/{quote(experiment, safe='')}?{query}")
    assert expected["nodes"]
    browser.wait_until(
        lambda _: session_ids(browser)[:25] == [node["id"] for node in expected["nodes"]] or None,
        "other sessions than the API's",
    )


def session_ids(browser: Browser) -> list[str]:
    links = """return [...document.querySelectorAll('section[aria-label="Sessions"] td.col-name a')]
      .map(({pathname}) => decodeURIComponent(pathname.split('/').pop()))"""
    ids: list[str] = browser.driver.execute_script(links)
    return ids


SESSION = """
query($id: ID!) {
  experiment(id: $id) {
    sessions(first: 1, filter: {statuses: [ERROR]}) {
      nodes {
        id url latencyMs costUsd tokens { total } input error scores { evaluator value }
        spans { nodes { id name kind latencyMs costUsd tokens { total } input output error } }
      }
    }
  }
}
"""


def test_a_session_has_the_apis_figures_texts_and_link_in_every_span(browser: Browser, demo: Demo) -> None:
    experiment = demo.experiment("triage-router-v2-9e11")
    (session,) = demo.ask(SESSION, id=experiment)["experiment"]["sessions"]["nodes"]
    spans = session["spans"]["nodes"]
    browser.driver.get(f"{demo.pages}/sessions/{quote(session['id'], safe='')}")
    rows = browser.wait_for(".spans").find_elements("css selector", ".span")
    for row, span in zip(rows, spans, strict=True):
        assert span["kind"].lower() in row.text
        figures = [span["latencyMs"], (span["tokens"] or {}).get("total"), span["costUsd"]]
        assert values(browser, row) == [value for value in figures if value is not None]
    link = browser.driver.find_element("css selector", ".actions a[target]")
    assert link.get_attribute("href") == session["url"]
    failed = next(index for index, span in enumerate(spans) if span["error"])
    rows[failed].click()
    panel = browser.wait_for(".span-panel", text=spans[failed]["error"])
    for text in (spans[failed]["input"], spans[failed]["output"]):
        assert text is None or text in panel.text
    assert "Attributes" in panel.text


SPREAD = """
query($ids: [ID!]!) {
  nodes(ids: $ids) { ... on Experiment { aggregate(metric: {kind: LATENCY}, basis: COMPUTED) { median } } }
}
"""


def test_a_comparison_is_drawn_as_bars_distributions_and_a_scatter(browser: Browser, demo: Demo) -> None:
    ids = [demo.experiment("support-baseline"), demo.experiment("support-large-77d0be13")]
    browser.driver.get(f"{demo.pages}/compare?ids={','.join(ids)}")
    for title in ("Latency, mean", "Latency: distribution, computed", "Cost against quality, computed"):
        browser.wait_for(f'.drawing svg[aria-label^="{title}"]')
    chart = '.drawing svg[aria-label^="Latency: distribution"]'
    boxes_and_bins = f"{chart} rect"
    browser.wait_until(
        lambda driver: len(driver.find_elements("css selector", boxes_and_bins)) > 20 or None, "no histogram"
    )
    label = browser.wait_for(chart).get_attribute("aria-label")
    assert label is not None
    medians = [node["aggregate"]["median"] for node in demo.ask(SPREAD, ids=ids)["nodes"]]
    assert [text.split(";")[0] for text in label.split("median ")[1:]] == [
        f"{median / 1000:.2f}".rstrip("0").rstrip(".") + " s" for median in medians
    ]


def test_the_sources_show_the_version_of_their_interface_and_their_limits(browser: Browser, demo: Demo) -> None:
    query = "{ sources { name apiVersion rateLimits { kind calls perSeconds } } }"
    browser.driver.get(f"{demo.pages}/sources")
    for source in demo.ask(query)["sources"]:
        card = browser.wait_for(f'[data-source="{source["name"]}"]:has(.up)')
        assert (source["apiVersion"] or "") in card.text
        for limit in source["rateLimits"]:
            assert f"{limit['kind']}: {limit['calls']} calls in {limit['perSeconds']:g} s" in card.text
