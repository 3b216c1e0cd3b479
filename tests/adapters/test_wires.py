"""Decoding of vendors' rows: the fast and the lenient decoder agree, and an odd value affects only itself."""

from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, fields
from tracegraph_langsmith import wire as langsmith
from tracegraph_meibel import wire as meibel
from tracegraph_mlflow import wire as mlflow
from tracegraph_nemo import wire as nemo

from tracegraph.upstream.lenient_decoder import LenientDecoder, LenientStruct

ROWS: dict[str, tuple[LenientDecoder[Any], type[LenientStruct]]] = {
    "nemo experiments": (LenientDecoder(list[nemo.ExperimentRow]), nemo.ExperimentRow),
    "nemo sessions": (LenientDecoder(list[nemo.SessionRow]), nemo.SessionRow),
    "langsmith tracer sessions": (LenientDecoder(list[langsmith.TracerSession]), langsmith.TracerSession),
    "langsmith runs": (LenientDecoder(list[langsmith.Run]), langsmith.Run),
    "meibel agents": (LenientDecoder(list[meibel.AgentDetail]), meibel.AgentDetail),
    "meibel sessions": (LenientDecoder(list[meibel.SessionSummary]), meibel.SessionSummary),
    "meibel details": (LenientDecoder(list[meibel.SessionDetail]), meibel.SessionDetail),
    "meibel scores": (LenientDecoder(list[meibel.ScoringJob]), meibel.ScoringJob),
    "mlflow experiments": (LenientDecoder(list[mlflow.ExperimentRow]), mlflow.ExperimentRow),
    "mlflow traces": (LenientDecoder(list[mlflow.TraceRow]), mlflow.TraceRow),
    "mlflow runs": (LenientDecoder(list[mlflow.RunRow]), mlflow.RunRow),
    "mlflow run data": (LenientDecoder(list[mlflow.RunData]), mlflow.RunData),
    "mlflow spans": (LenientDecoder(list[mlflow.SpanRow]), mlflow.SpanRow),
    "mlflow assessments": (LenientDecoder(list[mlflow.Assessment]), mlflow.Assessment),
}
POOL: tuple[Any, ...] = (
    *(None, True, 0, 7, -1, 0.25, 1.0, 2.5, -0.5, 1e300, 10**30),
    *("", "word", "UPPER", "0.0312", "3", "NaN", "-2", "2026-11-20", "2026-11-20T10:00"),
    *("2026-11-20T10:00:00", "2026-11-20T10:00:00.123456Z", "2026-11-20 10:00:00+02:00"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-05:00", "2026-13-01T00:00:00Z"),
    *([], ["a", "b"], ["a", 7], [None], {}, {"a": 0.5, "b": None}, {"a": "x", "b": 1}, {"cache_read": 5}),
    *({"metadata": {"a": [1]}}, {"agent_session_id": "s"}, {"acc": {"n": 2, "avg": 0.5}, "tone": None}),
    *([{"key": "a", "value": 1}, {"value": "x"}], {"metrics": [{"key": "a", "value": "NaN"}], "params": 7}),
    *({"mean": 1, "count": 2}, {"mean": "1", "p90": -1}, {"acc": {"mean": 1, "count": 2}, "f1": 3}),
    *([{"role": "user", "message": {"text": "hi"}}, None], [{"role": 5}], {"input_tokens": 3, "output_tokens": 4}),
    *([{"prompt_tokens": 1}, {"characters": 5}], [{"prompt_tokens": 1}, None], {"usage": {"total_tokens": -1}}),
)
IDENTITY = {"id": "A1", "name": "one", "session_id": "s1", "started_at": "2026-11-20T10:00:00"} | {
    "start_time": "2026-11-20T10:00:00Z",
    "experiment_id": "1",
    "trace_id": "tr-1",
    "span_id": "s1",
    "assessment_name": "judge",
    "info": {"run_id": "a1", "experiment_id": "1", "start_time": 7},
    "request_time": "2026-11-20T10:00:00Z",
}


@cache
def needed(row: type[LenientStruct]) -> dict[str, Any]:
    return {one.name: IDENTITY[one.name] for one in fields(row) if one.required}


def read(
    wire: LenientDecoder[Any], given_row: dict[str, Any], *, leniently: bool = False
) -> tuple[Any, list[str]]:
    """The row and what it gave up."""
    body = orjson.dumps([given_row]) if 10**30 not in given_row.values() else _big(given_row)
    (found,), dropped_fields = wire.read_leniently(body) if leniently else wire.read(body)
    return found, list(dropped_fields)


def _big(given_row: dict[str, Any]) -> bytes:
    """With an integer that orjson does not write."""
    small = {name: "HERE" if value == 10**30 else value for name, value in given_row.items()}
    return orjson.dumps([small]).replace(b'"HERE"', str(10**30).encode())


def ordinary(wire: LenientDecoder[Any], row: type[LenientStruct], name: str) -> list[Any]:
    """The values of the pool that the field takes as they are."""
    return [value for value in POOL if not read(wire, needed(row) | {name: value})[1]]


optional = {kind: [one.name for one in fields(row) if not one.required] for kind, (_, row) in ROWS.items()}


@cache
def ordinary_values(kind: str) -> dict[str, list[Any]]:
    """The ordinary values of each optional field; not read at import, since every process imports this file."""
    return {name: ordinary(*ROWS[kind], name) for name in optional[kind]}


@pytest.mark.parametrize("kind", ROWS)
@given(data=st.data())
def test_fast_and_lenient_decoding_agree(kind: str, data: st.DataObject) -> None:
    wire, row = ROWS[kind]
    values = {name: st.sampled_from(some) for name, some in ordinary_values(kind).items()}
    values_sent = needed(row) | data.draw(st.fixed_dictionaries({}, optional=values))
    assert read(wire, values_sent) == read(wire, values_sent, leniently=True)
    assert read(wire, values_sent)[1] == []


@pytest.mark.parametrize("kind", ROWS)
@given(data=st.data())
def test_an_odd_value_changes_nothing_in_the_fields_beside_it(kind: str, data: st.DataObject) -> None:
    wire, row = ROWS[kind]
    values = {name: st.sampled_from(some) for name, some in ordinary_values(kind).items()}
    values_sent = needed(row) | data.draw(st.fixed_dictionaries({}, optional=values))
    name = data.draw(st.sampled_from(optional[kind]))
    odd = data.draw(
        st.sampled_from([value for value in POOL if value not in ordinary_values(kind)[name]] or [None])
    )
    found, dropped_fields = read(wire, values_sent | {name: odd})
    assert set(dropped_fields) <= {name}
    assert asdict(found) | {name: None} == asdict(read(wire, values_sent)[0]) | {name: None}


@pytest.mark.parametrize("kind", ROWS)
@given(data=st.data())
def test_any_value_is_read_or_dropped(kind: str, data: st.DataObject) -> None:
    wire, row = ROWS[kind]
    values = {name: st.sampled_from(POOL) for name in optional[kind]}
    values_sent = needed(row) | data.draw(st.fixed_dictionaries({}, optional=values))
    found, dropped_fields = read(wire, values_sent)
    assert read(wire, values_sent, leniently=True) == (found, dropped_fields)
    readable = {name: value for name, value in values_sent.items() if name not in dropped_fields}
    assert asdict(read(wire, readable)[0]) | dict.fromkeys(dropped_fields) == asdict(found) | dict.fromkeys(
        dropped_fields
    )
