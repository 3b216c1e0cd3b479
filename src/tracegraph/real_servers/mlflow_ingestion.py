"""Puts sample content into an MLflow server, by MLflow's own client.

    python mlflow_ingestion.py http://127.0.0.1:5000 < content.json

It runs in the environment of the server, which has the client, and imports nothing else. The scripts of the live
tests use its functions.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import mlflow
from mlflow.genai import datasets, evaluate, scorer

SPEED = 20
"""An evaluated run takes a twentieth of the sample's seconds."""
JUDGED = ("correctness", "faithfulness")


def traced(function: Callable[..., Any], kind: str, name: str | None = None) -> Callable[..., Any]:
    """Return the function, traced as a span of this kind."""
    found: Callable[..., Any] = mlflow.trace(function, span_type=kind, name=name)
    return found


def model_attributes(model: str, prompt: int, completion: int, cached: int | None = None) -> dict[str, Any]:
    """Return the attributes of a call of a model, whose cost the server derives from its price list."""
    usage = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    return {
        "mlflow.chat.tokenUsage": usage if cached is None else usage | {"cache_read_input_tokens": cached},
        "mlflow.llm.model": model,
        "mlflow.llm.provider": "openai",
    }


def describe_call(attributes: Mapping[str, Any]) -> bool:
    """Give the active span these attributes. False without tracing: the client first tries each function so."""
    span = mlflow.get_current_active_span()
    if span is None:
        return False
    span.set_attributes(dict(attributes))
    return True


def evaluated(  # noqa: PLR0917 - the parts of an evaluation
    experiment: str,
    dataset: str,
    records: Sequence[Mapping[str, Any]],
    predictors: Mapping[str, Callable[..., Any]],
    scorers_of: Callable[[str], Sequence[Any]],
    params: Mapping[str, Any],
) -> None:
    """Create a dataset, and an evaluated run over it for each predictor; `scorers_of` gets the name of a run."""
    experiment_id = mlflow.set_experiment(experiment).experiment_id
    cases = datasets.create_dataset(name=dataset, experiment_id=[experiment_id])
    cases.merge_records(list(records))
    for name, predictor in predictors.items():
        with mlflow.start_run(run_name=name):
            mlflow.log_params(dict(params))
            evaluate(data=cases, predict_fn=predictor, scorers=list(scorers_of(name)))


def converse(project: Mapping[str, Any]) -> None:
    """Log the runs of a project with their own times, three of one conversation each."""
    mlflow.set_experiment(project["name"])
    for run in project["runs"]:
        question, begin = run["case"]["question"], _ns(run["start"])
        end = begin + int((run["seconds"] or 1.0) * 1e9)
        session = {"mlflow.trace.session": f"chat-{run['number'] // 3}"}
        root = mlflow.start_span_no_context(
            "helpdesk",
            span_type="AGENT",
            inputs={"question": question},
            metadata=session,
            start_time_ns=begin,
        )
        call = mlflow.start_span_no_context(
            "chat",
            span_type="CHAT_MODEL",
            parent_span=root,
            inputs={"question": question},
            attributes=_attributes(project["model"], run),
            start_time_ns=begin + 10**7,
        )
        answer, status = _outcome(run)
        call.end(outputs=answer, status=status, end_time_ns=end - 10**7)
        root.end(outputs=answer, status=status, end_time_ns=end)
        for name, value in run["scores"].items():
            mlflow.log_feedback(trace_id=root.trace_id, name=name, value=value)


def assess(content: Mapping[str, Any]) -> None:
    """Evaluate assistants over the cases of the dataset."""
    evaluations = {one["name"]: one for one in content["evaluations"]}
    first = next(iter(evaluations.values()))
    records = [
        {
            "inputs": {"question": run["case"]["question"]},
            "expectations": {"expected_response": run["case"]["answer"]},
        }
        for run in first["runs"]
    ]
    found = {name: {run["case"]["question"]: run for run in one["runs"]} for name, one in evaluations.items()}
    evaluated(
        "support-evaluations",
        content["dataset"],
        records,
        {name: _predictor(first["model"], runs) for name, runs in found.items()},
        lambda name: [scorer(_judge(criterion, found[name]), name=criterion) for criterion in JUDGED],
        {"model": first["model"]},
    )


def _predictor(model: str, runs: Mapping[str, Mapping[str, Any]]) -> Callable[..., Any]:
    """Return an assistant that repeats the sample's answers."""

    def chat(question: str) -> str | None:
        run = runs[question]
        is_traced = describe_call(_attributes(model, run))
        time.sleep((run["seconds"] or 1.0) / SPEED)
        if run["failed"] and is_traced:  # a function that fails when the client tries it is refused
            raise RuntimeError("The model did not answer in time.")
        answer: str = run["case"]["answer"]
        return answer

    def assistant(question: str) -> Any:
        return traced(chat, "CHAT_MODEL")(question)

    return traced(assistant, "CHAIN")


def _judge(criterion: str, runs: Mapping[str, Mapping[str, Any]]) -> Callable[..., Any]:
    def judge(inputs: dict[str, Any]) -> Any:
        return runs[inputs["question"]]["scores"].get(criterion)

    return judge


def _attributes(model: str, run: Mapping[str, Any]) -> dict[str, Any]:
    prompt, completion = run["prompt_tokens"], run["completion_tokens"]
    return {} if prompt is None else model_attributes(model, prompt, completion)


def _outcome(run: Mapping[str, Any]) -> tuple[str | None, str]:
    return (None, "ERROR") if run["failed"] else (run["case"]["answer"], "OK")


def _ns(time_text: str) -> int:
    return int(datetime.fromisoformat(time_text).timestamp() * 1e9)


def main() -> None:
    """Ingest the content of the standard input into the server that the command line names."""
    content = json.load(sys.stdin)
    mlflow.set_tracking_uri(sys.argv[1])
    converse(content["project"])
    assess(content)


if __name__ == "__main__":
    main()
