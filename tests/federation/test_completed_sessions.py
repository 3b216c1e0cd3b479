"""Filters on what a list of sessions lacks: the rows are looked up, and a look-up that fails costs its own row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace as with_fields

from tracegraph.adapter.base import BaseAdapter
from tracegraph.adapter.capabilities import Capabilities, ListCapabilities, both_directions
from tracegraph.adapter.paging import (
    ExperimentQuery,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    SessionPageRequest,
)
from tracegraph.domain.filters import (
    FloatRange,
    OrderDirection,
    ScoreFilter,
    SessionFilter,
    SessionOrder,
    SessionOrderField,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Score, Session, SessionRef, SessionStatus
from tracegraph.errors import SourceError, SourceUnavailable
from tracegraph.federation.lists import Listing, MergeRequest, list_sessions_of
from tracegraph.federation.report import SourceReportStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
CHAT = Experiment("acme", "chat", "chat", ExperimentKind.AGENT, "chat")
LACKING = frozenset({"input", "output", "scores"})


class Chats(BaseAdapter):
    """Lists sessions `s0`, `s1`, ... without texts and scores, which look-ups have. Odd ones are questions."""

    vendor = "acme"

    def __init__(self, count: int) -> None:
        super().__init__("acme")
        listed = ListCapabilities(Paging.OFFSET, 100, both_directions(SessionOrderField.STARTED_AT))
        kinds = frozenset({ExperimentKind.AGENT})
        self.capabilities = Capabilities(listed, listed, (), kinds, frozenset(SessionStatus))
        self.errors: dict[str, SourceError] = {}
        self.deleted: set[str] = set()
        self.looked_up: list[str] = []
        self.scored: list[str] = []
        self.requested: list[frozenset[str] | None] = []
        self.count = count

    def session(self, number: int) -> Session:
        start = START + timedelta(minutes=number)
        return Session("acme", "chat", f"s{number}", SessionStatus.SUCCESS, start, deferred=LACKING)

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        raise AssertionError((query, page))

    async def get_experiments(self, refs: Sequence[str]) -> Mapping[str, Experiment | SourceError]:
        raise AssertionError(refs)

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        assert isinstance(request.page, OffsetRequest)
        self.requested.append(request.fields)
        rows = [self.session(number) for number in range(self.count)]
        rows = rows if request.order.direction is OrderDirection.ASC else rows[::-1]
        offset = request.page.offset
        page = rows[offset : offset + request.page.limit]
        following = offset + len(page)
        return Page(page, offset, following if following < len(rows) else None, len(rows))

    async def find_sessions(
        self,
        experiment_ref: str,  # noqa: ARG002 - there is one
        session_ids: Sequence[str],
    ) -> Mapping[str, Session | SourceError]:
        self.looked_up += session_ids
        found = {}
        for one in session_ids:
            number = int(one[1:])
            text = "a Question" if number % 2 else "an answer"
            found[one] = self.errors.get(one) or with_fields(
                self.session(number), input=text, scores_by_evaluator={"acc": number / 10}, deferred=frozenset()
            )
        return {one: outcome for one, outcome in found.items() if one not in self.deleted}

    async def get_scores(self, refs: Sequence[SessionRef]) -> Mapping[SessionRef, Sequence[Score] | SourceError]:
        self.scored += [ref.session_id for ref in refs]
        return {ref: (Score("acc", int(ref.session_id[1:]) / 10),) for ref in refs}


async def listed(adapter: Chats, wanted: SessionFilter, first: int = 50) -> Listing[Session]:
    async def fetch(_: str, request: SessionPageRequest) -> Page[Session]:
        return await adapter.list_session_page(request)

    order = SessionOrder(direction=OrderDirection.ASC)
    request = SessionPageRequest(("chat",), OffsetRequest(0), wanted, order, fields=frozenset())
    return await list_sessions_of(adapter, CHAT, request, MergeRequest(first), fetch)


def ids(listing: Listing[Session]) -> list[str]:
    return [row.node.vendor_id for row in listing.merged.rows]


async def test_a_text_is_found_in_what_look_ups_have() -> None:
    adapter = Chats(5)
    assert ids(await listed(adapter, SessionFilter(text="QUEST"))) == ["s1", "s3"]
    assert sorted(adapter.looked_up) == ["s0", "s1", "s2", "s3", "s4"]
    assert adapter.requested[0] == frozenset({"input", "output"}), "the list need not lack what the filter reads"


async def test_scores_alone_take_the_call_for_scores() -> None:
    adapter = Chats(5)
    found = await listed(adapter, SessionFilter(score=ScoreFilter("acc", gte=0.3)))
    assert ids(found) == ["s3", "s4"]
    assert (adapter.looked_up, sorted(adapter.scored)) == ([], ["s0", "s1", "s2", "s3", "s4"])
    assert found.merged.rows[0].node.deferred == {"input", "output"}


async def test_without_such_a_condition_nothing_is_looked_up() -> None:
    adapter = Chats(5)
    await listed(adapter, SessionFilter(latency_ms=FloatRange(gte=1)))
    assert (adapter.looked_up, adapter.scored) == ([], [])


async def test_a_look_up_that_fails_costs_its_own_row() -> None:
    adapter = Chats(8)
    adapter.errors["s3"] = SourceUnavailable("acme", "down", http_status=500)
    found = await listed(adapter, SessionFilter(text="question"))
    assert ids(found) == ["s1", "s5", "s7"]
    (report,) = found.reports
    assert (report.status, report.error) == (SourceReportStatus.FAILED, adapter.errors["s3"])


async def test_a_session_that_was_deleted_meanwhile_is_no_failure() -> None:
    adapter = Chats(8)
    adapter.deleted.add("s3")
    found = await listed(adapter, SessionFilter(text="question"))
    assert ids(found) == ["s1", "s5", "s7"]
    assert found.reports[0].status is SourceReportStatus.OK


async def test_named_sessions_are_looked_up_without_their_list() -> None:
    adapter = Chats(8)
    named = frozenset(
        {("acme", "chat", "s5"), ("acme", "chat", "s1"), ("other", "chat", "s2"), ("acme", "x", "s3")}
    )
    assert ids(await listed(adapter, SessionFilter(ids=named))) == ["s1", "s5"]
    assert (sorted(adapter.looked_up), adapter.requested) == (["s1", "s5"], [])


async def test_a_named_session_whose_look_up_fails_leaves_the_others() -> None:
    adapter = Chats(8)
    adapter.errors["s1"] = SourceUnavailable("acme", "down")
    named = frozenset({("acme", "chat", "s5"), ("acme", "chat", "s1")})
    found = await listed(adapter, SessionFilter(ids=named))
    assert ids(found) == ["s5"]
    assert found.reports[0].status is SourceReportStatus.FAILED
