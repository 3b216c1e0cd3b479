"""Puts the content of the live tests into an MLflow server, by MLflow's own client.

    PYTHONPATH=src .live/mlflow-3.17.2/bin/python tests/live/mlflow_ingest.py http://127.0.0.1:5000

It runs in the environment of the server, which has the client.
"""

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

import mlflow
from mlflow.entities import AssessmentSource, Feedback
from mlflow.genai import scorer

from tracegraph.real_servers.mlflow_ingestion import describe_call, evaluated, model_attributes, traced

CASES = 30
CONVERSATIONS = 5
TRACES = 24
LONG = "a long question " * 100


def chat(question: str, tokens: int) -> str:
    """The call of a model, whose cost the server derives from its price list."""
    describe_call(model_attributes("gpt-4o-mini", tokens, 50, cached=10) | {"custom.temperature": 0.5})
    time.sleep(tokens / 100_000)
    return f"an answer to {question[:20]}"


def look_up(question: str, *, fails: bool) -> list[str]:
    """A tool, which may fail."""
    if fails:
        raise ValueError("no entry")
    return [question[:10]]


def answer(question: str, number: int) -> str:
    """One turn of a conversation."""
    session = {"mlflow.trace.session": f"chat-{number % CONVERSATIONS}", "mlflow.trace.user": "ann"}
    mlflow.update_current_trace(metadata=session, tags={"tier": "gold" if number % 2 else "tin"})
    found: str = traced(chat, "CHAT_MODEL")(question, 1000 + 100 * number)
    traced(look_up, "TOOL")(question, fails=number % 6 == 5)
    return found


def converse() -> None:
    """A project: conversations with errors, costs and verdicts of people and of code."""
    mlflow.set_experiment("capitals-live")
    for number in range(TRACES):
        name = "helper" if number % 3 else "guide"
        question = LONG if number == 0 else f"Capital number {number}?"
        with contextlib.suppress(ValueError):
            traced(answer, "AGENT", name)(question, number)
        mlflow.flush_trace_async_logging()
        judge(mlflow.get_last_active_trace_id(), number)


def judge(trace_id: str, number: int) -> None:
    """Verdicts of each kind of value."""
    person = AssessmentSource("HUMAN", "ann")
    mlflow.log_feedback(trace_id=trace_id, name="accuracy", value=number / TRACES)
    if number % 4 == 0:
        mlflow.log_feedback(
            trace_id=trace_id, name="helpful", value=number % 8 == 0, rationale="because", source=person
        )
        mlflow.log_feedback(trace_id=trace_id, name="tone", value="friendly")
        mlflow.log_expectation(trace_id=trace_id, name="expected", value="Paris")
    if number % 4 == 1:
        mlflow.log_feedback(trace_id=trace_id, name="judge", error=ValueError("the judge broke"))
    if number % 4 == 2:
        mlflow.log_feedback(trace_id=trace_id, name="relevant", value="yes")


def exact(outputs: Any, expectations: dict[str, Any]) -> float:
    """1 for the expected answer."""
    return float(outputs == expectations["expected_response"])


def verdict(outputs: Any) -> Any:
    """A word, with its reason."""
    return Feedback(value="right" if outputs == "right" else "wrong", rationale=f"it said {outputs}")


def predictor(right_until: int) -> Callable[..., Any]:
    """A traced function that knows the first answers."""

    def predict(q: str) -> str:
        traced(chat, "CHAT_MODEL")(q, 2000)
        return "right" if int(q.rsplit(maxsplit=1)[-1]) < right_until else "wrong"

    return traced(predict, "CHAIN")


def assess() -> None:
    """Two evaluated runs over a dataset of 30 examples; one is right more often."""
    records = [
        {"inputs": {"q": f"question {number:02}"}, "expectations": {"expected_response": "right"}}
        for number in range(CASES)
    ]
    predictors = {name: predictor(right_until) for name, right_until in (("base", 10), ("tuned", 25))}
    scorers = [scorer(exact), scorer(verdict)]
    evaluated("capitals-eval", "capital-cases", records, predictors, lambda _: scorers, {"model": "small"})
    with mlflow.start_run(run_name="no evaluation"):
        mlflow.log_metric("loss", 1.0)


def main() -> None:
    """Ingest everything."""
    mlflow.set_tracking_uri(sys.argv[1])
    converse()
    assess()
    mlflow.create_experiment("empty", tags={"mlflow.note.content": "Nothing yet.", "team": "maps"})
    mlflow.delete_experiment(mlflow.create_experiment("deleted"))


if __name__ == "__main__":
    main()
