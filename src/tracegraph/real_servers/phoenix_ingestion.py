"""Puts sample content into Phoenix, by its own client.

    python phoenix_ingestion.py http://127.0.0.1:6006 < content.json

It runs in the environment of the server, which has the client, and imports nothing else. The scripts of the live
tests use its functions.
"""

import importlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

SPEED = 20
"""A run of an experiment takes a twentieth of the sample's seconds."""
JUDGED = ("correctness", "faithfulness")


def opened(url: str) -> Any:
    """Return the client of a server. Spans of this process go there."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    trace.set_tracer_provider(provider)  # the client gives spans of a task the project of the experiment
    return importlib.import_module("phoenix.client").Client(base_url=url)


def run_experiment(  # noqa: PLR0917 - the parts of an experiment
    client: Any, dataset: Any, name: str, task: Any, evaluators: Any, metadata: Any
) -> None:
    """Run a task over a dataset without repetitions and output, and evaluate it."""
    client.experiments.run_experiment(
        dataset=dataset,
        task=task,
        evaluators=evaluators,
        experiment_name=name,
        experiment_metadata=metadata,
        print_summary=False,
        retries=0,
    )


def log_spans(client: Any, project: str, spans: Sequence[Mapping[str, Any]]) -> None:
    """Return when Phoenix has processed the spans, which it does a moment after the call.

    Raises:
        RuntimeError: It took too long.
    """
    client.spans.log_spans(project_identifier=project, spans=spans)
    for _ in range(600):
        is_there = project in {one["name"] for one in client.projects.list()}
        if is_there and len(client.spans.get_spans(project_identifier=project, limit=1000)) == len(spans):
            return
        time.sleep(0.1)
    raise RuntimeError(f"Phoenix did not process {len(spans)} spans")


def traced_call(attributes: Mapping[str, Any]) -> Any:
    """Return a span for the call of a model with these attributes, to be entered."""
    return trace.get_tracer("tracegraph").start_as_current_span("chat", attributes=attributes)


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
    trace_id: str, number: int, name: str, kind: str, start: datetime, ms: float, **fields: Any
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


def converse(client: Any, project: Mapping[str, Any]) -> None:
    """Log the runs of a project with their own times, three of one conversation each, and their scores."""
    log_spans(client, project["name"], list(_project_spans(project)))
    for run in project["runs"]:
        for name, score in run["scores"].items():
            client.spans.add_span_annotation(
                span_id=f"{run['number'] + 1:012x}0001", annotation_name=name, score=score, annotator_kind="CODE"
            )


def _project_spans(project: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for run in project["runs"]:
        trace_id = f"{run['number'] + 1:012x}" + "0" * 20
        start, ms = datetime.fromisoformat(run["start"]), (run["seconds"] or 1.0) * 1000
        answer = {} if run["failed"] else {"output.value": run["case"]["answer"]}
        conversation = {
            "session.id": f"chat-{run['number'] // 3}",
            "input.value": run["case"]["question"],
            **answer,
        }
        status = {"status": "ERROR", "message": "The model did not answer in time."} if run["failed"] else {}
        call = conversation | _attributes(project["model"], run)
        yield span_row(trace_id, 1, "chat desk", "AGENT", start, ms, attributes=conversation, **status)
        yield span_row(trace_id, 2, "chat", "LLM", start, ms * 0.9, parent=1, attributes=call, **status)


def _attributes(model: str, run: Mapping[str, Any]) -> dict[str, Any]:
    prompt, completion = run["prompt_tokens"], run["completion_tokens"]
    case = run["case"]
    return {} if prompt is None else model_attributes(model, prompt, completion, case["question"], case["answer"])


def assess(client: Any, content: Mapping[str, Any]) -> None:
    """Run experiments over the cases of the dataset."""
    cases = [run["case"] for run in content["evaluations"][0]["runs"]]
    dataset = client.datasets.create_dataset(
        name=content["dataset"],
        inputs=[{"question": case["question"]} for case in cases],
        outputs=[{"answer": case["answer"]} for case in cases],
    )
    for evaluation in content["evaluations"]:
        runs = {run["case"]["question"]: run for run in evaluation["runs"]}
        evaluators = {criterion: _judge(criterion, runs) for criterion in JUDGED}
        task = _task(evaluation["model"], runs)
        run_experiment(client, dataset, evaluation["name"], task, evaluators, {"model": evaluation["model"]})


def _task(model: str, runs: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return an assistant that repeats the sample's answers."""

    def task(input: Mapping[str, Any]) -> Mapping[str, str]:  # noqa: A002 - Phoenix binds by name
        run = runs[input["question"]]
        with traced_call(_attributes(model, run)):
            time.sleep((run["seconds"] or 1.0) / SPEED)
            if run["failed"]:
                raise RuntimeError("The model did not answer in time.")
        return {"answer": run["case"]["answer"]}

    return task


def _judge(criterion: str, runs: Mapping[str, Mapping[str, Any]]) -> Any:
    def judge(input: Mapping[str, Any]) -> Any:  # noqa: A002 - Phoenix binds by name
        score = runs[input["question"]]["scores"].get(criterion)
        return {"label": "not judged"} if score is None else {"score": score}

    return judge


def main() -> None:
    """Ingest the content of the standard input into the server that the command line names."""
    content = json.load(sys.stdin)
    client = opened(sys.argv[1])
    converse(client, content["project"])
    assess(client, content)


if __name__ == "__main__":
    main()
