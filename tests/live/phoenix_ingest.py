"""Puts the data of the live tests into Phoenix by its own client. It runs in Phoenix's environment.

    PYTHONPATH=src python phoenix_ingest.py http://127.0.0.1:6006 2026-11-27T09:00:00+00:00

The dataset has 30 examples, and two experiments run over it. The project has conversations, errors, costs, and
traces that a reader of Phoenix easily gets wrong: with two roots, without one, with an error below a root without
one, of a model without a price.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tracegraph.real_servers.phoenix_ingestion import (
    log_spans,
    model_attributes,
    opened,
    run_experiment,
    span_row,
    traced_call,
)

EXAMPLES = 30
PROJECT = "support chat"
PRICED, UNPRICED = "gpt-4o-mini", "house-model"


def main(url: str, epoch: datetime) -> None:
    """Ingest everything. The spans are processed a moment after the call."""
    client = opened(url)
    dataset = client.datasets.create_dataset(
        name="sums",
        inputs=[{"question": f"What is {number} plus {number}?"} for number in range(EXAMPLES)],
        outputs=[{"answer": str(2 * number)} for number in range(EXAMPLES)],
        metadata=[{"place": number} for number in range(EXAMPLES)],
    )
    for name, wrong in (("plain", 3), ("tuned", 7)):
        evaluators = {"exact": exact, "verdict": verdict}
        run_experiment(client, dataset, name, task_of(wrong), evaluators, {"model": PRICED, "wrong": wrong})
    log_spans(client, PROJECT, list(project_spans(epoch)))
    annotate(client)


def annotate(client: Any) -> None:
    """Judge some spans and traces: two people under one name, words only, and a whole trace."""
    root, model = "0000000000010001", "0000000000010002"
    judge = client.spans.add_span_annotation
    judge(span_id=root, annotation_name="helpful", score=1.0, label="yes", identifier="ada", sync=True)
    judge(span_id=root, annotation_name="helpful", score=0.5, explanation="too long", identifier="bob", sync=True)
    judge(span_id=model, annotation_name="tone", label="friendly", annotator_kind="LLM", sync=True)
    client.traces.add_trace_annotation(
        trace_id="00000000000100000000000000000000", annotation_name="resolved", score=1.0, sync=True
    )


def task_of(wrong: int) -> Any:
    """Return a task that is wrong for each example whose place is a multiple of `wrong`, and fails at place 29."""

    def task(input: Mapping[str, Any], metadata: Mapping[str, Any]) -> Mapping[str, str]:  # noqa: A002 - Phoenix binds by name
        place = int(metadata["place"])
        if place == EXAMPLES - 1:
            raise RuntimeError("the calculator is out of order")
        answer = str(2 * place + (place % wrong == 0))
        with traced_call(model_attributes(PRICED, 100 + place, 10, input["question"], answer)):
            return {"answer": answer}

    return task


def exact(output: Mapping[str, str] | None, expected: Mapping[str, str]) -> float:
    """Return 1 for the expected answer."""
    return float(output is not None and output["answer"] == expected["answer"])


def verdict(output: Mapping[str, str] | None, expected: Mapping[str, str]) -> Mapping[str, str]:
    """Return words only."""
    is_right = exact(output, expected) == 1
    return {"label": "right" if is_right else "wrong", "explanation": f"expected {expected['answer']}"}


def project_spans(epoch: datetime) -> Iterator[dict[str, Any]]:
    """Yield the spans of the project: 12 ordinary traces, and four odd ones."""
    for number in range(12):
        start = epoch + timedelta(minutes=7 * number, microseconds=number)
        trace_id = f"{number + 1:012x}" + "0" * 20
        failed = number % 4 == 3
        model = UNPRICED if number == 5 else PRICED
        conversation = {"session.id": f"conversation-{number // 3}", "user.id": "ada"}
        root = {"input.value": f"question {number}", "metadata": {"tier": "gold", "place": number}, **conversation}
        answer = {} if failed else {"output.value": f"answer {number}"}
        yield span_row(
            trace_id,
            1,
            "helper",
            "AGENT",
            start,
            1000 + 100 * number,
            attributes=root | answer,
            status="ERROR" if failed else "OK",
            message="the tool failed" if failed else "",
        )
        yield span_row(
            trace_id,
            2,
            "chat",
            "LLM",
            start + timedelta(milliseconds=10),
            500,
            parent=1,
            status="UNSET",
            attributes=conversation | model_attributes(model, 1000 * (number + 1), 100, "q", "a"),
        )
        yield span_row(
            trace_id,
            3,
            "look_up",
            "TOOL",
            start + timedelta(milliseconds=600),
            20,
            parent=2 if number % 2 else 1,
            status="ERROR" if failed or number == 2 else "OK",
            attributes={"tool.name": "look_up", **conversation},
        )
    odd = epoch + timedelta(hours=3)
    two_roots, orphan, quiet = (f"{number:012x}" + "0" * 20 for number in (0xA1, 0xA2, 0xA3))
    yield span_row(two_roots, 1, "first root", "CHAIN", odd, 300)
    yield span_row(two_roots, 2, "below the first", "RETRIEVER", odd + timedelta(milliseconds=5), 50, parent=1)
    yield span_row(two_roots, 3, "second root", "CHAIN", odd + timedelta(minutes=1), 200, status="UNSET")
    yield span_row(two_roots, 4, "below the second", "DECISION", odd + timedelta(minutes=1), 50, parent=3)
    yield span_row(orphan, 5, "of another service", "TOOL", odd + timedelta(minutes=2), 40, parent=9)
    yield span_row(quiet, 1, "two in one", "GUARDRAIL", odd, 300)  # starts with the first root


if __name__ == "__main__":
    main(sys.argv[1], datetime.fromisoformat(sys.argv[2]))
