"""Any filter in any order over each dialect of each vendor equals brute force over all rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract import test_langsmith, test_meibel, test_nemo
from tests.examples import examples
from tracegraph.domain.conditions import metadata_text
from tracegraph.domain.filters import (
    ExperimentFilter,
    FloatRange,
    MetadataFilter,
    OrderDirection,
    ScoreFilter,
    SessionFilter,
    StringFilter,
    TimeRange,
    fields_of_conditions,
)
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionRef, SessionStatus
from tracegraph.testing import AdapterContract, Configuration
from tracegraph.testing.filter_values import EXPERIMENT_TEXTS, ODD_TEXTS, SESSION_TEXTS
from tracegraph.testing.subject import (
    EXPERIMENT_ORDERS,
    SESSION_ORDERS,
    Subject,
    ordered_refs,
    read_all_pages,
    refs_of,
)


def configured(contract: type[AdapterContract], used: Configuration | None = None) -> AdapterContract:
    """Return the contract's way to open its adapter, in one configuration."""
    opened = contract()
    opened._selected = used
    return opened


DIALECTS: Mapping[str, Callable[[], AdapterContract]] = {
    "NeMo 0.2": partial(configured, test_nemo.TestNemo),
    "NeMo 0.8": partial(configured, test_nemo.TestNemo08),
    "LangSmith v1": partial(configured, test_langsmith.TestLangSmith, test_langsmith.V1),
    "LangSmith v2": partial(configured, test_langsmith.TestLangSmith, test_langsmith.V2),
    "Meibel": partial(configured, test_meibel.TestMeibel),
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A vendor with all its rows, as look-ups and lists return them."""

    runner: asyncio.Runner
    subject: Subject
    experiments: Sequence[Experiment]
    sessions: Sequence[Session]
    completed: Mapping[SessionRef, Session]

    @property
    def experiment(self) -> Experiment:
        """The experiment of the sessions."""
        return self.experiments[0]


@pytest.fixture(scope="module", params=DIALECTS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    contract = DIALECTS[request.param]()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        subject = runner.run(stack.enter_async_context(contract.open_subject(5, steady=True)))
        experiments = list(runner.run(subject.complete_experiments()).values())
        sessions = runner.run(read_all_pages(partial(subject.sessions_of, experiments[0], SESSION_ORDERS[0])))
        yield Opened(runner, subject, experiments, sessions, runner.run(subject.complete_sessions(sessions)))
        runner.run(stack.aclose())


def texts_of(rows: Sequence[Any], attribute: str) -> list[str]:
    values = [getattr(row, attribute) for row in rows]
    several = [value if isinstance(value, tuple) else (value,) for value in values]
    return sorted({text for texts in several for text in texts if text is not None})


def strings(occurring: Sequence[str]) -> st.SearchStrategy[StringFilter]:
    """Conditions on texts that occur, on parts of them, and on texts that vendors may misread."""
    whole = st.sampled_from([*occurring, "nothing of it", *ODD_TEXTS])
    part = whole.flatmap(lambda text: st.integers(0, 3).map(lambda start: text[start : start + 4].swapcase()))
    some = st.frozensets(whole, max_size=3)
    fields = {"eq": whole, "any_of": some, "not_in": some, "contains": part, "starts_with": part}
    optional: dict[str, st.SearchStrategy[Any]] = {**fields, "exists": st.booleans()}
    return st.fixed_dictionaries({}, optional=optional).map(lambda given: StringFilter(**given))


def metadata(rows: Sequence[Any]) -> st.SearchStrategy[tuple[MetadataFilter, ...]]:
    pairs = {(key, metadata_text(value)) for row in rows for key, value in (row.metadata or {}).items()}
    keys = st.sampled_from([*sorted({key for key, _ in pairs}), "no such key", *ODD_TEXTS])
    values = st.none() | strings(sorted({text for _, text in pairs}))
    return st.lists(st.builds(MetadataFilter, keys, values), max_size=2).map(tuple)


def ranges(kind: Callable[..., Any], values: Sequence[Any]) -> st.SearchStrategy[Any]:
    edges = st.none() | st.sampled_from(sorted(set(values))) if values else st.none()
    return st.builds(kind, edges, edges)


def some_of(strategies: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """One to three of the conditions, mostly one: several leave few rows that a wrong push-down could drop."""
    name = st.sampled_from(sorted(strategies))
    names = name.map(lambda one: [one]) | st.lists(name, min_size=1, max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: strategies[name] for name in chosen}))


def experiment_conditions(rows: Sequence[Experiment]) -> st.SearchStrategy[dict[str, Any]]:
    return some_of(
        {name: strings(texts_of(rows, attribute)) for name, attribute in EXPERIMENT_TEXTS.items()}
        | {
            "kinds": st.frozensets(st.sampled_from(ExperimentKind)),
            "metadata": metadata(rows),
            "created_at": ranges(TimeRange, [row.created_at for row in rows if row.created_at is not None]),
            "updated_at": ranges(TimeRange, [row.updated_at for row in rows if row.updated_at is not None]),
        }
    )


def session_conditions(rows: Sequence[Session]) -> st.SearchStrategy[dict[str, Any]]:
    scores = [score for row in rows for score in row.score_values.items()]
    evaluators = st.sampled_from([*sorted({evaluator for evaluator, _ in scores}), "nobody"])
    limits = st.none() | st.sampled_from([0.0, *sorted({value for _, value in scores})])
    words = [text for row in rows for text in (row.input, row.output, row.error) if text]
    totals = [float(row.tokens.total) for row in rows if row.tokens is not None and row.tokens.total is not None]
    return some_of(
        {name: strings(texts_of(rows, attribute)) for name, attribute in SESSION_TEXTS.items()}
        | {
            "statuses": st.frozensets(st.sampled_from(SessionStatus)),
            "started_at": ranges(TimeRange, [row.started_at for row in rows]),
            "latency_ms": ranges(FloatRange, [row.latency_ms for row in rows if row.latency_ms is not None]),
            "cost_usd": ranges(FloatRange, [row.cost_usd for row in rows if row.cost_usd is not None]),
            "total_tokens": ranges(FloatRange, totals),
            "metadata": metadata(rows),
            "score": st.builds(ScoreFilter, evaluators, limits, limits),
            "text": st.sampled_from(["nothing of it", *(word[1:5].swapcase() for word in words)]),
            "ids": st.frozensets(
                st.sampled_from([(row.source, row.experiment_ref, row.vendor_id) for row in rows]), max_size=4
            ),
        }
    )


law = settings(max_examples=examples(120), deadline=None, suppress_health_check=list(HealthCheck))


@law
@given(data=st.data())
def test_a_filtered_list_of_experiments_is_the_list_of_those_that_match(
    opened: Opened, data: st.DataObject
) -> None:
    wanted = ExperimentFilter(**data.draw(experiment_conditions(opened.experiments)))
    order = data.draw(st.sampled_from(EXPERIMENT_ORDERS))
    first = data.draw(st.sampled_from([4, 1000]))
    pages = partial(opened.subject.experiments, order, wanted, first=first)
    found = opened.subject.experiment_ties_by_id(opened.runner.run(read_all_pages(pages)), order)
    assert refs_of(found) == ordered_refs([one for one in opened.experiments if wanted.matches(one)], order)


@law
@given(data=st.data())
def test_a_filtered_list_of_sessions_is_the_list_of_those_that_match(opened: Opened, data: st.DataObject) -> None:
    """The complete form of a session decides where the vendor's list lacks a field that the filter reads."""
    wanted = SessionFilter(**data.draw(session_conditions([*opened.completed.values()])))
    order = data.draw(st.sampled_from(SESSION_ORDERS))
    first = data.draw(st.sampled_from([4, 1000]))
    pages = partial(opened.subject.sessions_of, opened.experiment, order, wanted, first=first)
    found = opened.runner.run(read_all_pages(pages))
    needed = fields_of_conditions(wanted)
    expected = {
        row.ref
        for row in opened.sessions
        if wanted.matches(opened.completed[row.ref] if row.deferred & needed or wanted.ids is not None else row)
    }
    assert len(found) == len(expected)
    assert {row.ref for row in found} == expected
    starts = [row.started_at for row in found]
    assert starts == sorted(starts, reverse=order.direction is OrderDirection.DESC)
