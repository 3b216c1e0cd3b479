"""The value of each of Meibel's fields in the domain model, and the fields that are omitted when unreadable.

See docs/vendors/meibel.md#mapping.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from tracegraph_meibel import mapping, wire

from tracegraph.domain.models import (
    Experiment,
    ExperimentKind,
    Score,
    Session,
    SessionStatus,
    TokenUsage,
    TurnScore,
)
from tracegraph.upstream.lenient_decoder import readable_rows

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Raw:
    """Stands for the vendor's object; mapping only passes it on."""

    def decode(self) -> dict[str, Any]:
        return {}


RAW = Raw()


def agent_detail(**fields: Any) -> wire.AgentDetail:
    return wire.AGENT.read(orjson.dumps({"id": "a1"} | fields))[0]


def agent(**fields: Any) -> Experiment:
    return mapping.agent("mb", "a1", agent_detail(**fields), RAW)


def listed_agent(**fields: Any) -> Experiment:
    body = orjson.dumps({"data": [{"id": "a1"} | fields], "total": 1})
    ((_, row),) = readable_rows(wire.AGENTS.read(body)[0].data)
    return mapping.listed_agent("mb", row, RAW)


def row_and_dropped_fields(**fields: Any) -> tuple[wire.SessionSummary, Sequence[str]]:
    """The row and its dropped fields."""
    row = {"session_id": "s1", "status": "COMPLETED", "start_time": "2026-11-20T12:00:00Z"} | fields
    found, dropped_fields = wire.SESSIONS.read(orjson.dumps({"data": [row], "total": 1}))
    ((_, only),) = readable_rows(found.data)
    return only, list(dropped_fields)


def session_row(**fields: Any) -> wire.SessionSummary:
    return row_and_dropped_fields(**fields)[0]


def session(**fields: Any) -> Session:
    return mapping.listed_session("mb", "a1", session_row(**fields), RAW, frozenset({"input"}))


def detail(**fields: Any) -> wire.SessionDetail:
    return wire.SESSION.read(orjson.dumps(fields))[0]


def chat_message(role: Any, message: Any) -> Mapping[str, Any]:
    return {"role": role, "message": message}


class TestAgent:
    def test_is_an_experiment_of_kind_agent_found_by_its_id(self) -> None:
        experiment = agent()
        assert (experiment.source, experiment.ref, experiment.vendor_id) == ("mb", "a1", "a1")
        assert experiment.kind is ExperimentKind.AGENT

    def test_is_called_by_its_display_name_and_its_slug_is_the_agents_name(self) -> None:
        experiment = agent(name="help-desk", display_name="Help desk", version="3")
        assert (experiment.name, experiment.agent_name, experiment.agent_version) == (
            "Help desk",
            "help-desk",
            "3",
        )

    def test_without_a_display_name_is_called_by_its_slug_and_without_that_by_its_id(self) -> None:
        assert agent(name="help-desk", display_name=None).name == "help-desk"
        assert agent(name=None).name == "a1"

    def test_detail_adds_creation_tags_and_fallback_models(self) -> None:
        experiment = agent(
            created_at="2026-11-20T12:00:00Z",
            llm_model="large",
            fallback_models=["small", "large"],
            tags=["billing"],
        )
        assert experiment.created_at == NOON
        assert experiment.models == ("large", "small")
        assert experiment.metadata == {"tags": ["billing"]}
        assert experiment.deferred == {"session_count"}

    @pytest.mark.parametrize("tags", [[], None])
    def test_no_tags_are_no_metadata(self, tags: list[str] | None) -> None:
        assert agent(tags=tags).metadata is None

    def test_last_execution_is_the_update_and_there_is_no_end(self) -> None:
        experiment = agent(last_execution_time="2026-11-20T12:00:00Z", last_execution_status="COMPLETED")
        assert experiment.updated_at == NOON
        assert experiment.ended_at is None

    def test_reports_no_figures(self) -> None:
        experiment = agent()
        assert (experiment.aggregates, experiment.evaluators) == ((), ())
        assert (experiment.error_rate, experiment.session_count, experiment.url) == (None, None, None)

    def test_list_row_names_what_it_lacks(self) -> None:
        row = listed_agent(llm_model="large")
        assert row.models == ("large",)
        assert row.deferred == {"created_at", "metadata", "models", "session_count"}

    def test_list_row_that_carries_its_creation_lacks_it_no_more(self) -> None:
        row = listed_agent(created_at="2026-11-20T12:00:00Z")
        assert row.created_at == NOON
        assert row.deferred == {"metadata", "models", "session_count"}

    def test_keeps_the_vendors_object(self) -> None:
        assert agent().raw is RAW
        assert listed_agent().raw is RAW


class TestTimes:
    @pytest.mark.parametrize(
        "text",
        ["2026-11-20T12:00:00Z", "2026-11-20T12:00:00", "2026-11-20T13:00:00+01:00", "2026-11-20 12:00:00.0Z"],
    )
    def test_are_utc_whatever_their_offset_and_naive_ones_are_utc_too(self, text: str) -> None:
        created = agent(created_at=text).created_at
        assert created == NOON
        assert created is not None
        assert created.tzinfo is UTC

    @pytest.mark.parametrize(
        "value", ["yesterday", "", 1732104000, "1732104000", True, {}, "0001-01-01T00:00:00+23:00"]
    )
    def test_that_cannot_be_read_are_none(self, value: Any) -> None:
        found, dropped_fields = wire.AGENT.read(orjson.dumps({"id": "a1", "created_at": value, "name": "kept"}))
        assert found.created_at is None
        assert found.name == "kept"
        assert dropped_fields == ["created_at"]


class TestSession:
    def test_has_the_agent_that_listed_it_as_its_experiment(self) -> None:
        one = session(agent_name="help-desk", agent_version="3", messages_count=4)
        assert (one.source, one.experiment_ref, one.vendor_id) == ("mb", "a1", "s1")
        assert (one.agent_name, one.agent_version, one.message_count) == ("help-desk", "3", 4)

    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("RUNNING", SessionStatus.RUNNING),
            ("COMPLETED", SessionStatus.SUCCESS),
            ("FAILED", SessionStatus.ERROR),
            ("CANCELED", SessionStatus.CANCELLED),
            ("CANCELLED", SessionStatus.CANCELLED),
            ("TERMINATED", SessionStatus.CANCELLED),
            ("completed", SessionStatus.SUCCESS),
            ("PAUSED", SessionStatus.UNKNOWN),
        ],
    )
    def test_status_is_the_unified_one_beside_the_vendors_status(self, word: str, status: SessionStatus) -> None:
        one = session(status=word)
        assert (one.status, one.vendor_status) == (status, word)

    def test_without_a_status_is_unknown(self) -> None:
        one = session(status=None)
        assert (one.status, one.vendor_status) == (SessionStatus.UNKNOWN, None)

    def test_latency_is_from_start_to_end_in_milliseconds(self) -> None:
        one = session(end_time="2026-11-20T12:00:01.250500Z")
        assert one.latency_ms == 1250.5
        assert one.ended_at == datetime(2026, 11, 20, 12, 0, 1, 250500, tzinfo=UTC)

    @pytest.mark.parametrize(
        "fields",
        [
            {"end_time": None},
            {"status": "RUNNING", "end_time": "2026-11-20T12:00:01Z"},
            {"end_time": "2026-11-20T11:00:00Z"},
        ],
        ids=["no end", "still running", "ended before it began"],
    )
    def test_has_no_latency_without_an_end_or_a_positive_duration(self, fields: dict[str, Any]) -> None:
        assert session(**fields).latency_ms is None

    def test_zero_latency_is_zero_and_not_missing(self) -> None:
        assert session(end_time="2026-11-20T12:00:00Z").latency_ms == 0.0

    def test_fields_that_meibel_lacks_are_none(self) -> None:
        one = session()
        assert (one.trace_id, one.root_span_id, one.test_case_id, one.name) == (None, None, None, None)
        assert (one.error, one.cost_usd, one.first_token_ms, one.url, one.metadata) == (None,) * 5
        assert (one.tokens, one.message_count, one.input, one.output, one.scores) == (None,) * 4 + ((),)

    def test_zero_messages_are_zero(self) -> None:
        assert session(messages_count=0).message_count == 0

    @pytest.mark.parametrize("count", [-1, 2.5, "many", True, []])
    def test_message_count_that_is_no_count_is_omitted_and_reported(self, count: Any) -> None:
        row, dropped_fields = row_and_dropped_fields(messages_count=count)
        assert row.messages_count is None
        assert dropped_fields == ["messages_count"]

    @pytest.mark.parametrize("broken", [{"session_id": None}, {"session_id": ""}, {"start_time": "soon"}])
    def test_row_without_identity_or_start_is_refused(self, broken: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            session_row(**broken)


class TestTokens:
    @pytest.mark.parametrize(
        "usage",
        [
            {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 125, "cached_tokens": 5},
            {"input_tokens": 100, "output_tokens": 20, "total_tokens": 125, "cache_read_input_tokens": 5},
            {"usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 125, "cached_tokens": 5}},
            {
                "prompt_tokens": 100,
                "completion_tokens": 20,
                "total_tokens": 125,
                "prompt_tokens_details": {"cached_tokens": 5},
            },
            [{"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 125, "cached_tokens": 5}],
            [
                {"prompt_tokens": 60, "completion_tokens": 20, "total_tokens": 80, "cached_tokens": 5},
                None,
                {"input_tokens": 40, "total_tokens": 45},
            ],
        ],
        ids=["prompt and completion", "input and output", "one level down", "cached in details", "list", "sum"],
    )
    def test_are_read_in_every_known_shape(self, usage: Any) -> None:
        assert session(token_usage=usage).tokens == TokenUsage(input=100, output=20, cached=5, total=125)

    @pytest.mark.parametrize(
        "usage",
        [
            {"cache_creation_input_tokens": 7, "reasoning_tokens": 3},
            {"cache_write_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 3}},
            {
                "input_tokens_details": {"cache_write_tokens": 7},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            {"usage": {"cache_creation_input_tokens": 7, "output_tokens_details": {"reasoning_tokens": 3}}},
            [{"cache_write_tokens": 3, "reasoning_tokens": 1}, {"cache_write_tokens": 4, "reasoning_tokens": 2}],
        ],
        ids=["plain", "one in details", "both in details", "one level down", "sum"],
    )
    def test_cache_writes_and_reasoning_are_read_in_every_known_shape(self, usage: Any) -> None:
        assert session(token_usage=usage).tokens == TokenUsage(cache_write=7, reasoning=3)

    def test_total_is_the_sum_when_the_vendor_gives_none(self) -> None:
        assert session(token_usage={"prompt_tokens": 100, "completion_tokens": 20}).tokens == TokenUsage(
            input=100, output=20, total=120
        )

    def test_total_is_the_one_side_that_is_known_and_the_other_stays_none(self) -> None:
        usage = {"prompt_tokens": 100, "completion_tokens": None}
        assert session(token_usage=usage).tokens == TokenUsage(input=100, total=100)

    def test_zero_is_zero(self) -> None:
        usage = {"prompt_tokens": 0, "completion_tokens": 0}
        assert session(token_usage=usage).tokens == TokenUsage(input=0, output=0, total=0)

    @pytest.mark.parametrize("usage", [None, {}, [], [None], {"prompt_tokens": None}])
    def test_that_are_missing_are_none_and_not_reported(self, usage: Any) -> None:
        row, dropped_fields = row_and_dropped_fields(token_usage=usage)
        assert mapping.token_usage(row.token_usage) is None
        assert dropped_fields == []

    @pytest.mark.parametrize(
        "usage",
        [
            {"characters": 5},
            "120",
            [5],
            {"first": {"prompt_tokens": 1}, "last": {"prompt_tokens": 2}},
            [{"prompt_tokens": 1}, {"characters": 5}],
        ],
        ids=["unknown keys", "text", "numbers", "two objects that may or may not add up", "half of a sum"],
    )
    def test_of_an_unknown_shape_are_none_and_reported(self, usage: Any) -> None:
        row, dropped_fields = row_and_dropped_fields(token_usage=usage)
        assert mapping.token_usage(row.token_usage) is None
        assert dropped_fields == ["token_usage"]

    def test_a_count_that_cannot_be_read_does_not_take_the_others_with_it(self) -> None:
        row, dropped_fields = row_and_dropped_fields(token_usage={"prompt_tokens": -1, "total_tokens": 7})
        assert mapping.token_usage(row.token_usage) == TokenUsage(total=7)
        assert dropped_fields == ["token_usage"]


class TestCompleteSession:
    def test_input_is_the_first_message_of_a_person_and_output_the_last_message_of_the_agent(self) -> None:
        found = detail(
            messages=[
                chat_message("system", "be brief"),
                chat_message("user", "hello"),
                chat_message("assistant", "hi"),
                chat_message("user", "what is owed?"),
                chat_message("assistant", "12.50"),
                chat_message("tool", "{}"),
            ]
        )
        one = mapping.with_texts(session(), found)
        assert (one.input, one.output) == ("hello", "12.50")
        assert one.deferred == session().deferred - {"input", "output"}

    def test_takes_scores_from_verdicts(self) -> None:
        one = mapping.with_verdicts(session(), mapping.Verdicts((Score("correctness", 8.0),)))
        assert one.scores == (Score("correctness", 8.0),)
        assert one.deferred == session().deferred - {"scores", "score_texts", "turn_scores"}

    @pytest.mark.parametrize(("person", "other"), [("human", "agent"), ("User", "AI")])
    def test_roles_are_read_leniently(self, person: str, other: str) -> None:
        found = detail(
            messages=[chat_message(other, "welcome"), chat_message(person, "hello"), chat_message(other, "bye")]
        )
        one = mapping.with_texts(session(), found)
        assert (one.input, one.output) == ("hello", "bye")

    @pytest.mark.parametrize(
        "messages", [None, [], [None], [chat_message("user", None)], [chat_message(None, "who?")]]
    )
    def test_without_text_has_neither(self, messages: Any) -> None:
        one = mapping.with_texts(session(), detail(messages=messages))
        assert (one.input, one.output) == (None, None)

    @pytest.mark.parametrize(
        ("message", "text"),
        [
            ({"text": "hello"}, "hello"),
            ({"text": "hello", "lang": "en"}, '{"text":"hello","lang":"en"}'),
            ({"n": 5}, '{"n":5}'),
            (["héllo"], '["héllo"]'),
        ],
    )
    def test_a_message_that_is_an_object_is_its_one_text_or_compact_json(self, message: Any, text: str) -> None:
        assert mapping.with_texts(session(), detail(messages=[chat_message("user", message)])).input == text

    def test_takes_tokens_from_the_detail_only_when_the_row_has_none(self) -> None:
        found = detail(token_usage=[{"prompt_tokens": 7}, None])
        without = mapping.with_texts(session(), found)
        having = mapping.with_texts(session(token_usage={"prompt_tokens": 1}), found)
        assert without.tokens == TokenUsage(input=7, total=7)
        assert having.tokens == TokenUsage(input=1, total=1)

    def test_without_a_detail_is_complete_all_the_same(self) -> None:
        one = mapping.with_texts(session(), None)
        assert (one.input, one.output) == (None, None)
        assert one.deferred.isdisjoint({"input", "output"})


class TestScores:
    @staticmethod
    def scores(*jobs: dict[str, Any]) -> Mapping[str, tuple[Score, ...]]:
        return {session: found.scores for session, found in TestScores.verdicts(*jobs).items()}

    @staticmethod
    def verdicts(*jobs: dict[str, Any]) -> Mapping[str, mapping.Verdicts]:
        return mapping.verdicts_by_session(wire.SCORING_JOBS.read(orjson.dumps(jobs))[0])

    @staticmethod
    def job(
        session_id: str | None,
        module: str | None,
        score: Any,
        status: str = "completed",
        *,
        turn: Any = None,
        explanation: Any = None,
    ) -> dict[str, Any]:
        context = {"agent_session_id": session_id, "agent_turn": turn}
        job = {"agent_identity_context": context, "module": module, "score": score, "status": status}
        return job | {"explanation": explanation}

    def test_stand_by_session_and_module_as_they_were_reported(self) -> None:
        found = self.scores(
            self.job("s1", "observed_consistency", 0.75),
            self.job("s1", "correctness", 8),
            self.job("s2", "correctness", 0),
        )
        assert found == {
            "s1": (Score("correctness", 8.0), Score("observed_consistency", 0.75)),
            "s2": (Score("correctness", 0.0),),
        }

    def test_several_jobs_of_a_module_are_their_mean(self) -> None:
        found = self.scores(self.job("s1", "correctness", 7), self.job("s1", "correctness", 8))
        assert found == {"s1": (Score("correctness", 7.5),)}

    @pytest.mark.parametrize("status", ["submitted", "in_progress", "not_run"])
    def test_of_a_job_that_is_not_completed_do_not_count(self, status: str) -> None:
        assert self.scores(self.job("s1", "correctness", 8, status)) == {}

    @pytest.mark.parametrize("score", [None, "8", True])
    def test_that_are_no_numbers_do_not_count(self, score: Any) -> None:
        assert self.scores(self.job("s1", "correctness", score)) == {}

    @pytest.mark.parametrize("score", ["NaN", "Infinity", "1e999"])
    def test_that_are_not_finite_do_not_count(self, score: str) -> None:
        body = orjson.dumps([self.job("s1", "correctness", "HERE")]).replace(b'"HERE"', score.encode())
        assert mapping.verdicts_by_session(wire.SCORING_JOBS.read(body)[0]) == {}

    def test_of_no_session_or_no_module_are_omitted(self) -> None:
        nowhere = {"module": "correctness", "score": 8, "status": "completed"}
        assert self.scores(self.job(None, "correctness", 8), self.job("s1", None, 8), nowhere) == {}

    def test_of_turns_stand_in_the_order_of_the_turns_with_their_explanations(self) -> None:
        found = self.verdicts(
            self.job("s1", "correctness", 4, turn=2, explanation="wrong sum"),
            self.job("s1", "correctness", 8, turn=1),
            self.job("s1", "coherence", 9, turn=2, explanation=""),
            self.job("s1", "faithfulness", 3),
        )["s1"]
        assert found.turn_scores == (
            TurnScore(1, "correctness", 8.0),
            TurnScore(2, "coherence", 9.0),
            TurnScore(2, "correctness", 4.0, "wrong sum"),
        )
        assert found.scores == (
            Score("coherence", 9.0),
            Score("correctness", 6.0, explanation="wrong sum"),
            Score("faithfulness", 3.0),
        )

    def test_of_a_module_have_each_explanation_once_the_first_turn_first(self) -> None:
        found = self.verdicts(
            self.job("s1", "correctness", 5, explanation="of all"),
            self.job("s1", "correctness", 4, turn=2, explanation="too short"),
            self.job("s1", "correctness", 4, turn=1, explanation="wrong sum"),
            self.job("s1", "correctness", 4, turn=3, explanation="too short"),
        )["s1"]
        (found_score,) = found.scores
        assert found_score.explanation == "wrong sum\ntoo short\nof all"

    def test_without_a_number_are_words_only(self) -> None:
        found = self.verdicts(self.job("s1", "correctness", None, turn=1, explanation="no answer"))["s1"]
        assert found.scores == (Score("correctness", explanation="no answer"),)
        assert found.turn_scores == (TurnScore(1, "correctness", None, "no answer"),)

    @pytest.mark.parametrize("odd", ["2", 1.5, [], True])
    def test_of_an_unreadable_turn_count_for_the_session(self, odd: Any) -> None:
        found = self.verdicts(self.job("s1", "correctness", 8, turn=odd))["s1"]
        assert (found.scores, found.turn_scores) == ((Score("correctness", 8.0),), ())

    @pytest.mark.parametrize("odd", [5, {}, []])
    def test_with_an_unreadable_explanation_have_none(self, odd: Any) -> None:
        found = self.verdicts(self.job("s1", "correctness", 8, explanation=odd))["s1"]
        assert found.scores == (Score("correctness", 8.0),)

    def test_of_a_failed_job_say_that_the_module_failed_and_why(self) -> None:
        found = self.verdicts(self.job("s1", "correctness", None, "failed", explanation="the judge timed out"))[
            "s1"
        ]
        assert found.scores == (Score("correctness", explanation="the judge timed out", failed=True),)

    def test_of_a_failed_job_do_not_matter_beside_a_completed_one(self) -> None:
        found = self.verdicts(self.job("s1", "correctness", None, "failed"), self.job("s1", "correctness", 8))[
            "s1"
        ]
        assert found.scores == (Score("correctness", 8.0),)
