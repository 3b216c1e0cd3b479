"""Histograms of computed figures, over every vendor."""

from itertools import pairwise
from typing import Any

import pytest

from tests.gateway import NAMES, NEMO, Gateway, Vendors
from tests.graphql.measured import SAYS, add, drawn
from tracegraph.graphql.relay.ids import experiment_id

QUERY = """query($id: ID!, $metric: MetricInput!, $bins: Int! = 20, $lower: Float, $upper: Float) {
  experiment(id: $id) { aggregate(metric: $metric, basis: COMPUTED) {
    count min max histogram(bins: $bins, lower: $lower, upper: $upper) { lower upper count }
  } }
}"""


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(("metric", "evaluator"), [("OUTPUT_TOKENS", None), ("SCORE", "accuracy")])
async def test_the_bins_count_every_session_that_has_the_value(
    vendors: Vendors, gateway: Gateway, source: str, metric: str, evaluator: str | None
) -> None:
    sessions = drawn(source, "e", 60)
    ref = add(vendors, source, "e", sessions)
    asked = {"kind": metric} | ({} if evaluator is None else {"evaluator": evaluator})
    answer = await gateway.ask(QUERY, id=experiment_id(source, ref), metric=asked, bins=7)
    found = answer.data["experiment"]["aggregate"]
    name = evaluator or metric
    assert name in SAYS[source]
    values = [value for one in sessions if (value := one.value(name)) is not None]
    ends = [one["lower"] for one in found["histogram"]] + [found["histogram"][-1]["upper"]]
    assert (ends[0], ends[-1], len(ends)) == (min(values), max(values), 8)
    assert [one["count"] for one in found["histogram"]] == [
        sum(low <= value < high or (number == 6 and value == high) for value in values)
        for number, (low, high) in enumerate(pairwise(ends))
    ]
    assert sum(one["count"] for one in found["histogram"]) == found["count"] == len(values)


async def test_a_reported_figure_has_no_histogram(vendors: Vendors, gateway: Gateway) -> None:
    add(vendors, NEMO, "e", drawn(NEMO, "e", 5))
    answer = await gateway.ask(
        "query($id: ID!) { experiment(id: $id) { aggregates { histogram(bins: 3) { count } } } }",
        id=experiment_id(NEMO, "e"),
    )
    found = answer.data["experiment"]["aggregates"]
    assert found
    assert all(one == {"histogram": None} for one in found)


@pytest.mark.parametrize("wrong", [{"bins": 0}, {"bins": 101}, {"lower": 5, "upper": 5}])
async def test_bins_out_of_bounds_are_an_error_of_the_histogram(
    vendors: Vendors, gateway: Gateway, wrong: dict[str, Any]
) -> None:
    add(vendors, NEMO, "e", drawn(NEMO, "e", 5))
    answer = await gateway.ask(QUERY, id=experiment_id(NEMO, "e"), metric={"kind": "COST"}, **wrong)
    assert answer.codes == ["BAD_USER_INPUT"]
    assert answer.partial["experiment"]["aggregate"]["histogram"] is None
    assert answer.partial["experiment"]["aggregate"]["count"] is not None


@pytest.mark.parametrize(("statistic", "field"), [("P25", "p25"), ("P75", "p75"), ("STDDEV", "stddev")])
async def test_quartiles_and_the_deviation_are_compared(
    vendors: Vendors, gateway: Gateway, statistic: str, field: str
) -> None:
    ids = [experiment_id(NEMO, add(vendors, NEMO, name, drawn(NEMO, name, 30))) for name in ("a", "b")]
    answer = await gateway.ask(
        f"""query($ids: [ID!]!, $statistic: Statistic!) {{
          comparison(experimentIds: $ids, metrics: [{{kind: COST}}], statistic: $statistic) {{
            metrics {{ statistic entries {{ value aggregate {{ basis {field} }} }} }}
          }}
        }}""",
        ids=ids,
        statistic=statistic,
    )
    (metric,) = answer.data["comparison"]["metrics"]
    assert metric["statistic"] == statistic
    for entry in metric["entries"]:
        assert entry["value"] == entry["aggregate"][field] > 0
        assert entry["aggregate"]["basis"] == "COMPUTED"
