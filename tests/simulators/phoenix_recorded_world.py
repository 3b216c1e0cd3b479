"""The content of the Phoenix 20.26.1 that the samples in tests/contracts/phoenix-20.26.1 were taken from."""

from datetime import timedelta
from typing import Any

from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.times import parse
from tracegraph.simulators.phoenix.world import (
    PhoenixWorld,
    global_id,
    phoenix_annotation,
    phoenix_dataset,
    phoenix_experiment,
    phoenix_project,
    phoenix_run,
    phoenix_span,
)

DAY = "2026-11-29T16:43"
TRACES = (
    ("6ea0429114442d3e93648ab3eaacd20b", "chat-1", f"{DAY}:04.573680+00:00", 44.867),
    ("a2b7e62c50ecdef13c422e18a94cbfa0", "chat-1", f"{DAY}:04.626583+00:00", 53.255),
    ("91b59240a4f22194382f2be774e827a6", "chat-2", f"{DAY}:04.687039+00:00", 90.573),
    ("3ed1174df3f4ea9595697c9fb0c21036", "chat-2", f"{DAY}:04.784786+00:00", 89.499),
)
SPAN_IDS = {7: "e4a24cf5bcad422d", 8: "0ef3cdede0ae65d5", 9: "86b8133ecf9c1d0e", 12: "ed874e87b7cb6125"}
EVALUATOR_LATENCIES = (0.19, 0.19, 0.19, 0.19, 0.19, 0.196, 0.198, 0.2, 0.2, 0.265, 0.273, 0.282)
RUNS = (
    ("bdea8a0f8e2770c1958aca7d0c0bbdd5", f"{DAY}:05.261260+00:00", 12.325, {"a": "Paris"}, None),
    ("284d124f532581baabcced9a87493a8d", f"{DAY}:05.305506+00:00", 11.301, {"a": "Milan"}, None),
    ("a5725282f0f9c719093db8540d6cefac", f"{DAY}:05.493615+00:00", 22.47, None, "KeyError('no such page')"),
)


def recorded_world() -> PhoenixWorld:
    """Create the content."""
    world = PhoenixWorld()
    for number, name in ((1, "default"), (2, "capitals-live"), (5, "evaluators")):
        world.add_project(phoenix_project(number, name=name, created_at=f"{DAY}:04+00:00"))
    for place, trace in enumerate(TRACES):
        world.spans[global_id("Project", 2)] += _trace(place, *trace)
    _add_experiments(world)
    world.spans[global_id("Project", 5)] += [
        phoenix_span(100 + place, start_time=f"{DAY}:05.500000+00:00", latency_ms=latency)
        for place, latency in enumerate(EVALUATOR_LATENCIES)
    ]
    return world


def _trace(place: int, trace: str, conversation: str, start: str, latency: float) -> list[Row]:
    """Return the root, the call of the model and the call of the tool of a trace; the third trace failed."""
    number, failed = 3 * place + 1, place == 2
    named: dict[str, Any] = {"session": {"id": conversation}, "user": {"id": "u1"}}
    texts = {"input": {"value": "Capital of France?"}, "output": {"value": "Paris"}}
    prompt = 1000 * (place + 1)
    tokens = {"llm": {"token_count": {"prompt": prompt, "completion": 200}}}
    root = SPAN_IDS.get(number + 2, f"{number + 2:016x}")
    later = parse(start) + timedelta(milliseconds=1)
    return [
        phoenix_span(
            number,
            trace=trace,
            parent=root,
            name="chat",
            spanKind="llm",
            statusCode="UNSET",
            start_time=later,
            latency_ms=1.0,
            attributes=named | tokens,
            cost=((prompt - 50) * 1.5e-7, 200 * 6e-7),
        ),
        phoenix_span(
            number + 1,
            trace=trace,
            parent=root,
            name="look_up",
            spanKind="tool",
            statusCode="ERROR" if failed else "OK",
            start_time=later,
            latency_ms=1.0,
            attributes=named,
        ),
        phoenix_span(
            number + 2,
            trace=trace,
            spanId=root,
            start_time=start,
            latency_ms=latency,
            statusCode="ERROR" if failed else "OK",
            statusMessage="tool failed" if failed else "",
            attributes=named | texts | {"metadata": {"tier": "gold"}},
        ),
    ]


def _add_experiments(world: PhoenixWorld) -> None:
    dataset = phoenix_dataset(1, name="capitals")
    world.datasets.append(dataset)
    examples = [global_id("DatasetExample", number) for number in (1, 2, 3)]
    for number, name in ((1, "base"), (2, "tuned")):
        world.add_experiment(
            phoenix_experiment(
                number,
                dataset["id"],
                name=name,
                metadata={"model": "small"},
                created_at=f"{DAY}:05+00:00",
                projectName=(
                    "Experiment-0f5c4371caec34177a2ba3eb" if number == 1 else "Experiment-04cffdb2b3f2f636b0c378bd"
                ),
            )
        )
    base, tuned = (row["id"] for row in world.experiments)
    world.spans["hidden"] = []
    for place, (trace, start, latency, output, error) in enumerate(RUNS):
        world.runs[base].append(
            phoenix_run(
                place + 1,
                examples[place],
                start_time=start,
                latency_ms=latency,
                traceId=trace,
                output=output,
                error=error,
                annotations=_verdicts("right" if place == 0 else "wrong"),
            )
        )
        tokens = {"llm": {"token_count": {"prompt": 500, "completion": 20}}}
        world.spans["hidden"] += [
            phoenix_span(20 + 2 * place, trace=trace, attributes=tokens, cost=(7.5e-5, 1.2e-5)),
            phoenix_span(21 + 2 * place, trace=trace),
        ]
        world.runs[tuned].append(
            phoenix_run(place + 4, examples[place], latency_ms=0.141, annotations=_verdicts("right"))
        )


def _verdicts(label: str) -> list[Row]:
    return [
        phoenix_annotation("exact", score=float(label == "right")),
        phoenix_annotation("verdict", label=label),
    ]
