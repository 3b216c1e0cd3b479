"""Orders and pages of the gateway over the services: nothing is lost and nothing comes twice."""

from collections.abc import Sequence

import pytest

from tests.live.gateway import SESSIONS, Live
from tests.live.seed import SessionSeed

pytestmark = pytest.mark.live


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(
    ("field", "column"), [("CREATED_AT", "created_at"), ("UPDATED_AT", "updated_at"), ("NAME", "name")]
)
@pytest.mark.parametrize("first", [1, 7])
def test_experiments_are_ordered_through_all_pages(
    live: Live, field: str, column: str, direction: str, first: int
) -> None:
    rows = sorted(live.intake.held(), key=lambda row: str(row[column]), reverse=direction == "DESC")
    nodes = live.experiments(order={"field": field, "direction": direction}, first=first)
    assert [node["name"] for node in nodes] == [row["name"] for row in rows]


def in_order(sessions: Sequence[SessionSeed], direction: str) -> list[str]:
    """Session ids by start in one direction; those of one start by id in both."""
    sign = 1 if direction == "ASC" else -1
    return [one.id for one in sorted(sessions, key=lambda one: (sign * one.start_s, one.id))]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize(
    "names", [("base",), ("nightly@main",), ("base", "tuned+v2", "empty", "nightly@main", "archived")]
)
@pytest.mark.parametrize("first", [2, 7])
def test_sessions_are_ordered_through_all_pages(
    live: Live, names: Sequence[str], direction: str, first: int
) -> None:
    sessions = [session for name in names for session in live.seeded.experiments[name].sessions]
    order = {"field": "STARTED_AT", "direction": direction}
    nodes = live.sessions(names, order=order, first=first)
    assert [node["vendorId"] for node in nodes] == in_order(sessions, direction)


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_every_edge_can_be_gone_on_from(live: Live, direction: str) -> None:
    order = {"field": "STARTED_AT", "direction": direction}
    asked = {"filter": {"experimentIds": live.ids("nightly@main")}, "orderBy": order}
    whole = live.gateway.data(SESSIONS, first=100, **asked)["page"]["edges"]
    ids = [edge["node"]["vendorId"] for edge in whole]
    for place, edge in enumerate(whole):
        after = live.gateway.data(SESSIONS, first=2, after=edge["cursor"], **asked)["page"]["edges"]
        assert [one["node"]["vendorId"] for one in after] == ids[place + 1 : place + 3]


def test_sessions_within_experiments(live: Live) -> None:
    document = """
        query Nested($filter: ExperimentFilter) {
          experiments(first: 100, filter: $filter) {
            nodes {
              name
              sessions(first: 4, orderBy: { field: STARTED_AT, direction: DESC }) { nodes { vendorId } totalCount }
            }
          }
        }
    """
    for node in live.gateway.data(document, filter=live.of_source())["experiments"]["nodes"]:
        sessions = live.seeded.experiments[node["name"]].sessions
        assert [one["vendorId"] for one in node["sessions"]["nodes"]] == in_order(sessions, "DESC")[:4]
        assert node["sessions"]["totalCount"] in (None, len(sessions))


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_sessions_are_in_the_order_of_the_service(live: Live, direction: str) -> None:
    path = f"{live.release.runs}/nightly@main/sessions"
    # 0.2.0 takes no order of sessions, and lists them oldest first.
    rows = live.intake.get(path, **({"sort": "started_at"} if live.release.sorts_sessions else {}))["data"]
    starts = [row["started_at"] for row in rows]
    if direction == "DESC" and live.release.sorts_sessions:
        assert [row["started_at"] for row in live.intake.get(path, sort="-started_at")["data"]] == starts[::-1]
    order = {"field": "STARTED_AT", "direction": direction}
    nodes = live.sessions(["nightly@main"], order=order, first=3)
    shown = [node["vendorFields"]["started_at"] for node in nodes]
    assert shown == (starts[::-1] if direction == "DESC" else starts)
    assert sorted(node["vendorId"] for node in nodes) == sorted(row["session_id"] for row in rows)
