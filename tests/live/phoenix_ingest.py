"""Puts the data of the live tests into Phoenix by its own client. It runs in Phoenix's environment.

    python phoenix_ingest.py http://127.0.0.1:6006 2026-11-27T09:00:00+00:00

The dataset has 30 examples, and two experiments run over it. The project has conversations, errors, costs, and
traces that a reader of Phoenix easily gets wrong: with two roots, without one, with an error below a root without
one, of a model without a price.
"""

import importlib
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

EXAMPLES = 30
PROJECT = "support chat"
PRICED, UNPRICED = "gpt-4o-mini", "house-model"


def main(url: str, epoch: datetime) -> None:
    """Ingest everything. The spans are processed a moment after the call."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    trace.set_tracer_provider(provider)  # the client gives spans of a task the project of the experiment
    client = importlib.import_module("phoenix.client").Client(base_url=url)
    dataset = client.datasets.create_dataset(
        name="sums",
        inputs=[{"question": f"What is {number} plus {number}?"} for number in range(EXAMPLES)],
        outputs=[{"answer": str(2 * number)} for number in range(EXAMPLES)],
        metadata=[{"place": number} for number in range(EXAMPLES)],
    )
    for name, wrong in (("plain", 3), ("tuned", 7)):
        client.experiments.run_experiment(
            dataset=dataset,
            task=task_of(wrong),
            evaluators={"exact": exact, "verdict": verdict},
            experiment_name=name,
            experiment_metadata={"model": PRICED, "wrong": wrong},
            print_summary=False,
            retries=0,
        )
    spans = list(project_spans(epoch))
    client.spans.log_spans(project_identifier=PROJECT, spans=spans)
    wait_for(client, len(spans))
    annotate(client)


def wait_for(client: Any, count: int) -> None:
    """Return when Phoenix has processed this number of spans, which it does a moment after the call.

    Raises:
        RuntimeError: It took too long.
    """
    for _ in range(600):
        is_there = PROJECT in {project["name"] for project in client.projects.list()}
        if is_there and len(client.spans.get_spans(project_identifier=PROJECT, limit=1000)) == count:
            return
        time.sleep(0.1)
    raise RuntimeError(f"Phoenix did not process {count} spans")


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
        with trace.get_tracer("live").start_as_current_span("chat") as span:
            span.set_attributes(model_attributes(PRICED, 100 + place, 10, input["question"], answer))
        return {"answer": answer}

    return task


def exact(output: Mapping[str, str] | None, expected: Mapping[str, str]) -> float:
    """Return 1 for the expected answer."""
    return float(output is not None and output["answer"] == expected["answer"])


def verdict(output: Mapping[str, str] | None, expected: Mapping[str, str]) -> Mapping[str, str]:
    """Return words only."""
    is_right = exact(output, expected) == 1
    return {"label": "right" if is_right else "wrong", "explanation": f"expected {expected['answer']}"}


def model_attributes(model: str, prompt: int, completion: int, question: str, answer: str) -> dict[str, Any]:
    """Return the OpenInference attributes of a call of a model."""
    return {
        "openinference.span.kind": "LLM",
        "llm.model_name": model,
        "llm.provider": "openai",
        "llm.token_count.prompt": prompt,
        "llm.token_count.completion": completion,
        "llm.token_count.total": prompt + completion,
        "llm.token_count.prompt_details.cache_read": prompt // 2,
        "input.value": question,
        "output.value": answer,
    }


def span_row(  # noqa: PLR0917 - the columns of a table
    trace_id: str, number: int, name: str, kind: str, start: datetime, ms: int, **fields: Any
) -> dict[str, Any]:
    """Return a span as Phoenix takes it; `parent` is the number of the span around it."""
    parent = fields.pop("parent", None)
    return {
        "name": name,
        "context": {"trace_id": trace_id, "span_id": f"{trace_id[:12]}{number:04x}"},
        "parent_id": None if parent is None else f"{trace_id[:12]}{parent:04x}",
        "span_kind": kind,
        "start_time": start.isoformat(),
        "end_time": (start + timedelta(milliseconds=ms)).isoformat(),
        "status_code": fields.pop("status", "OK"),
        "status_message": fields.pop("message", ""),
        "attributes": fields.pop("attributes", {}) | {"openinference.span.kind": kind},
    }


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
