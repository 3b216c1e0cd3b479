"""The base class of adapters: health, look-ups by ref, pages of several requests, and what a vendor lacks."""

from collections.abc import Mapping

import pytest

from tracegraph.adapter import (
    Adapter,
    BaseAdapter,
    Capabilities,
    ExperimentQuery,
    FetchInfo,
    ListCapabilities,
    ListsSpans,
    OffsetRequest,
    Page,
    PageRequest,
    Paging,
    Probe,
    SessionPageRequest,
    SourceHealthStatus,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionRef, SessionStatus
from tracegraph.domain.sort_values import EPOCH
from tracegraph.errors import (
    SourceBadRequest,
    SourceError,
    SourceNotFound,
    SourceObjectNotFound,
    SourceTimeout,
    SourceUnavailable,
)

LIST = ListCapabilities(Paging.OFFSET, 100)
MISSING = SourceObjectNotFound("acme", "Source 'acme' has no object with that id.")
TIMEOUT = SourceTimeout("acme", "Source 'acme' did not respond.")


class Acme(BaseAdapter):
    """A vendor with the experiments `a` and `b`; objects whose name begins with `broken` time out."""

    vendor = "acme"
    capabilities = Capabilities(LIST, LIST, (), frozenset(ExperimentKind), frozenset(SessionStatus))

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:  # noqa: ARG002 - the port's form
        return Page([await self.find_experiment("a")], 0, 1, total=2)

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        (ref,) = request.experiment_refs
        await self.find_experiment(ref)
        return Page([await self.find_session(SessionRef(ref, "s"))], 0, None)

    async def find_experiment(self, ref: str) -> Experiment:
        self._require(ref)
        return Experiment("acme", ref, ref, ExperimentKind.EVALUATION, ref)

    async def find_session(self, ref: SessionRef) -> Session:
        self._require(ref.experiment_ref)
        self._require(ref.session_id)
        return Session("acme", ref.experiment_ref, ref.session_id, SessionStatus.SUCCESS, EPOCH)

    def _require(self, name: str) -> None:
        if name.startswith("broken"):
            raise TIMEOUT
        if name not in {"a", "b", "s"}:
            raise MISSING


def is_adapter(adapter: Adapter) -> bool:
    return isinstance(adapter, BaseAdapter)


def lists_spans(adapter: ListsSpans) -> ListsSpans:
    return adapter


def test_a_subclass_is_an_adapter() -> None:
    assert is_adapter(Acme("acme"))


async def test_experiments_are_looked_up_one_by_one_and_unknown_ones_are_left_out() -> None:
    found = await Acme("acme").get_experiments(["a", "unknown", "broken", "a"])

    assert {ref: type(outcome) for ref, outcome in found.items()} == {"a": Experiment, "broken": SourceTimeout}


async def test_sessions_are_looked_up_one_by_one_and_unknown_ones_are_left_out() -> None:
    good, failing, unknown = SessionRef("a", "s"), SessionRef("a", "broken"), SessionRef("b", "unknown")

    found = await Acme("acme").get_sessions([good, failing, unknown, SessionRef("unknown", "s")])

    assert {ref: type(outcome) for ref, outcome in found.items()} == {good: Session, failing: SourceTimeout}


class ByExperiment(Acme):
    """A vendor with one call for several sessions of an experiment."""

    async def find_sessions(
        self,
        experiment_ref: str,
        session_ids: list[str],  # type: ignore[override]
    ) -> Mapping[str, Session | SourceError]:
        self._require(experiment_ref)
        return {id_: await self.find_session(SessionRef(experiment_ref, id_)) for id_ in session_ids}


async def test_the_failure_of_an_experiment_stands_for_each_of_its_sessions_and_for_no_other() -> None:
    good, failing, unknown = SessionRef("a", "s"), SessionRef("broken", "s"), SessionRef("unknown", "s")

    found = await ByExperiment("acme").get_sessions([good, failing, unknown])

    assert {ref: type(outcome) for ref, outcome in found.items()} == {good: Session, failing: SourceTimeout}


async def test_each_request_for_sessions_has_its_own_outcome() -> None:
    requests = [SessionPageRequest((ref,), OffsetRequest(10)) for ref in ("a", "unknown", "broken", "b")]

    outcomes = await Acme("acme").list_sessions(requests)

    assert [type(outcome) for outcome in outcomes] == [Page, SourceObjectNotFound, SourceTimeout, Page]


async def test_scores_and_spans_are_empty_and_all_kinds_share_a_list_unless_the_vendor_does_more() -> None:
    adapter = Acme("acme")

    assert await adapter.get_scores([SessionRef("a", "s")]) == {}
    assert await lists_spans(adapter).list_spans([SessionRef("a", "s")]) == {}
    assert adapter.experiment_kind("a") is None
    assert not adapter.capabilities.spans


async def test_a_source_that_lists_its_experiments_is_up_with_their_number() -> None:
    health = await Acme("acme").check()

    assert (health.status, health.experiment_count, health.last_error) == (SourceHealthStatus.UP, 2, None)
    assert health.checked_at is not None


class Probed(Acme):
    """A vendor whose probe has a given outcome."""

    outcome: Probe | SourceError

    async def probe(self) -> Probe:
        if isinstance(self.outcome, SourceError):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (TIMEOUT, SourceHealthStatus.DOWN),
        (Probe(7), SourceHealthStatus.UP),
        (Probe(7, TIMEOUT), SourceHealthStatus.DEGRADED),
        (Probe(7, SourceNotFound("acme", "Source 'acme' lacks a path.")), SourceHealthStatus.DOWN),
    ],
)
async def test_the_health_follows_from_the_probe(outcome: Probe | SourceError, status: SourceHealthStatus) -> None:
    adapter = Probed("acme")
    adapter.outcome = outcome

    health = await adapter.check()

    assert health.status is status
    assert health.last_error is (outcome.error if isinstance(outcome, Probe) else outcome)
    assert health.experiment_count == (outcome.experiment_count if isinstance(outcome, Probe) else None)


class Stale(Acme):
    """A vendor whose list comes from a cache because a call failed."""

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:  # noqa: ARG002 - the port's form
        return Page((), 0, None, 0, FetchInfo(1, SourceUnavailable("acme", "Source 'acme' is not available.")))


async def test_a_source_that_serves_stale_rows_is_degraded() -> None:
    assert (await Stale("acme").check()).status is SourceHealthStatus.DEGRADED


async def test_an_object_that_was_deleted_during_the_check_is_no_failure() -> None:
    adapter = Probed("acme")
    adapter.outcome = Probe(7, MISSING)

    health = await adapter.check()

    assert (health.status, health.experiment_count, health.last_error) == (SourceHealthStatus.UP, 7, None)


class WithoutLookups(BaseAdapter):
    """A vendor that only lists."""

    vendor = "acme"
    capabilities = Acme.capabilities
    list_experiments = Acme.list_experiments
    list_session_page = Acme.list_session_page


async def test_a_vendor_without_look_ups_refuses_each_one() -> None:
    adapter, ref = WithoutLookups("acme"), SessionRef("a", "s")

    assert isinstance((await adapter.get_experiments(["a"]))["a"], SourceBadRequest)
    assert isinstance((await adapter.get_sessions([ref]))[ref], SourceBadRequest)
