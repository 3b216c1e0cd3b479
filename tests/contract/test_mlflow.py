"""The MLflow adapter against the contract of all adapters."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import ClassVar

import pytest
from pydantic import SecretStr
from tracegraph_mlflow import open_adapter

from tracegraph.domain.models import SessionStatus, TokenUsage
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.mlflow import app as mlflow
from tracegraph.simulators.mlflow.world import (
    MlflowWorld,
    hex_of,
    mlflow_experiment,
    mlflow_feedback,
    mlflow_run,
    mlflow_span,
    mlflow_trace,
    ms,
)
from tracegraph.testing import AdapterContract, Configuration, Example, Vendor, instant, maybe, odd

TOKEN = "made-up-token-for-the-contract"
USER = ("ann", "made-up-password-for-the-contract")
ENCODED = base64.b64encode(":".join(USER).encode()).decode()
HOST = "103"
"""The MLflow experiment that has the evaluation runs, which are added after it."""

DATASETS = ({"name": "cases", "digest": "1"}, {"name": "more cases", "digest": "2"})


class Mlflow(Vendor):
    """A server with MLflow experiments first, and then evaluation runs of one of them."""

    def __init__(self, rng: Random) -> None:
        del rng
        self.world = MlflowWorld(token=TOKEN)
        self.simulator = mlflow.create_app(self.world)
        self._refs: dict[str, Row] = {}

    def experiments(self) -> Mapping[str, Row]:
        return self._refs

    def sessions(self, ref: str) -> Mapping[str, Row]:
        return {trace["trace_info"]["trace_id"]: trace["trace_info"] for trace in self._traces(ref)}

    def add_experiment(self, rng: Random, number: int) -> str:
        return self._add_run(rng, number) if HOST in self._refs else self._add_project(rng, str(100 + number))

    def _add_project(self, rng: Random, number: str) -> str:
        row = mlflow_experiment(
            number,
            created=maybe(rng, when(rng)),
            name=f"{rng.choice(['Support', 'straße', 'zeta'])} {number}",
            tags=[{"key": "team", "value": rng.choice(["a", "b"])}],
        )
        if "creation_time" in row:
            row["last_update_time"] = ms(when(rng))
        self.world.experiments.append(row)
        self._refs[number] = row
        return number

    def _add_run(self, rng: Random, number: int) -> str:
        row = mlflow_run(
            f"run {number}",
            HOST,
            started=when(rng),
            seconds=maybe(rng, 60.0),
            params=rng.choice([None, {"model": "small"}, {"model_name": "large", "k": "1"}]),
            metrics=rng.choice([None, {"exact/mean": 0.5, "loss": 1.0}]),
            dataset=maybe(rng, rng.choice(DATASETS)),
            run_name=rng.choice(["base", "tuned", 'it\'s "odd"']),
        )
        self.world.runs.append(row)
        ref = f"{HOST}/{row['info']['run_id']}"
        self._refs[ref] = row
        return ref

    def add_session(self, rng: Random, ref: str, number: int) -> str:
        usage = odd(
            rng, '{"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}', "no JSON", '{"input_tokens": -1}'
        )
        trace = mlflow_trace(
            f"{ref} {number}",
            ref.partition("/")[0],
            started=when(rng),
            duration=maybe(rng, odd(rng, f"{rng.randint(0, 9000) / 1000}s", "soon", "-1s")),
            metadata={
                "mlflow.trace.session": f"chat-{number % 4}",
                "mlflow.trace.tokenUsage": usage,
                "mlflow.trace.cost": odd(rng, '{"total_cost": 0.25}', '{"total_cost": -1}'),
                "attempt": str(number % 3),
            },
            tags={"mlflow.traceName": rng.choice(["agent", "helper"]), "tier": rng.choice(["gold", "tin"])},
            state=odd(rng, rng.choice(["OK", "ERROR", "IN_PROGRESS"]), "STATE_UNSPECIFIED", "PAUSED"),
            request_preview=rng.choice(['{"q": "why?"}', '"plain"', "cut {", "long " * 200, None]),
            response_preview=maybe(rng, '["a", 1]'),
            assessments=maybe(
                rng,
                [
                    mlflow_feedback("exact", rng.choice([0.5, 1, True, "yes", "friendly", {"a": 1}, None])),
                    mlflow_feedback("exact", 0.25, valid=False),
                    {"assessment_name": "expected", "expectation": {"value": "x"}, "valid": True},
                ],
            ),
            spans=[
                mlflow_span(f"root {number}", attributes={"mlflow.spanInputs": {"q": "why?"}}),
                mlflow_span(f"call {number}", parent=f"root {number}", kind="CHAT_MODEL"),
            ],
        )
        return self.insert_session(ref, trace)

    def insert_session(self, ref: str, row: Row) -> str:
        experiment_id, _, run_id = ref.partition("/")
        info = row["trace_info"]
        info["trace_location"] = {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment_id},
        }
        if run_id:
            info["trace_metadata"]["mlflow.sourceRun"] = run_id
        self.world.traces.append(row)
        return str(info["trace_id"])

    def remove_experiment(self, ref: str) -> None:
        assert ref != HOST, "the evaluation runs would go with it"
        gone = self._traces(ref)
        self.world.traces = [trace for trace in self.world.traces if trace not in gone]
        row = self._refs.pop(ref)
        self.world.experiments = [one for one in self.world.experiments if one is not row]
        self.world.runs = [one for one in self.world.runs if one is not row]

    def remove_session(self, ref: str, session_id: str) -> None:
        del ref
        self.world.traces = [trace for trace in self.world.traces if trace["trace_info"]["trace_id"] != session_id]

    def _traces(self, ref: str) -> list[Row]:
        experiment_id, _, run_id = ref.partition("/")
        return [
            trace
            for trace in self.world.traces
            if trace["trace_info"]["trace_location"]["mlflow_experiment"]["experiment_id"] == experiment_id
            and (not run_id or trace["trace_info"]["trace_metadata"].get("mlflow.sourceRun") == run_id)
        ]


class WithUsers(Mlflow):
    """A server with its own authentication."""

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.world.token, self.world.user = None, USER


def when(rng: Random) -> datetime:
    """One of a few times, in whole milliseconds as MLflow has them."""
    moment = instant(rng)
    return moment.replace(microsecond=1000 * bool(moment.microsecond))


USAGE = '{"input_tokens": 7, "output_tokens": 2, "total_tokens": 9, "cache_read_input_tokens": 3}'
EXAMPLES = (
    Example(
        mlflow_trace(
            "example 1",
            "0",
            duration="1.5s",
            metadata={
                "mlflow.trace.tokenUsage": USAGE,
                "mlflow.trace.cost": '{"input_cost": 0.05, "output_cost": 0.2, "total_cost": 0.25}',
                "mlflow.trace.session": "chat-1",
            },
            assessments=[mlflow_feedback("helpful", value=True, rationale="good")],
        ),
        {
            "status": SessionStatus.SUCCESS,
            "latency_ms": 1500.0,
            "tokens": TokenUsage(input=7, output=2, cached=3, total=9),
            "cost_usd": 0.25,
            "input_cost_usd": 0.05,
            "output_cost_usd": 0.2,
            "conversation_id": "chat-1",
            "scores_by_evaluator": {"helpful": 1.0},
            "input": "example 1",
            "output": "an answer",
        },
    ),
    Example(
        mlflow_trace(
            "example 2",
            "0",
            state="ERROR",
            spans=[mlflow_span("failed", status={"code": "STATUS_CODE_ERROR", "message": "ValueError: no entry"})],
        ),
        {"status": SessionStatus.ERROR, "error": "ValueError: no entry"},
    ),
    Example(
        mlflow_trace("example 3", "0", state="IN_PROGRESS", duration=None),
        {"status": SessionStatus.RUNNING, "latency_ms": None, "ended_at": None},
    ),
)

BEARER = Configuration(
    vendor=Mlflow,
    options={"token": SecretStr(TOKEN)},
    secret=TOKEN,
    unknown_refs=("999999", f"{HOST}/{hex_of('nobody made this')}", "tr-0", "no ref"),
    nameless_experiments={"experiments": [{"name": "a", "creation_time": 1}]},
    nameless_sessions={"traces": [{"request_time": "2026-11-01T09:00:00Z"}]},
    session_examples=EXAMPLES,
)


BASIC = replace(
    BEARER, vendor=WithUsers, options={"username": USER[0], "password": SecretStr(USER[1])}, secret=ENCODED
)


class TestMlflow(AdapterContract):
    open_adapter = staticmethod(open_adapter)
    configurations: ClassVar[Mapping[str, Configuration]] = {"bearer": BEARER}


@pytest.mark.slow
class TestMlflowWithUsers(AdapterContract):
    """Only the credential is another: `make test-slow` runs these."""

    open_adapter = staticmethod(open_adapter)
    configurations: ClassVar[Mapping[str, Configuration]] = {"basic": BASIC}
