"""Generated queries, valid and invalid: none harms the process, and each response conforms to the schema.

`make test-slow` generates more queries and `make test-fuzz` many more. Plain runs generate the same few queries.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.http.observed_process import WatchedGateway, watched_gateway

if TYPE_CHECKING:  # slow to import
    import schemathesis

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="/proc is needed for the memory of a process"
)
EXAMPLES = pytest.mark.parametrize(
    "examples", [12, pytest.param(int(os.environ.get("FUZZ_EXAMPLES", "100")), marks=pytest.mark.slow)]
)
SEED = int(os.environ.get("FUZZ_SEED", "1"))
MEDIA = ["application/json", "application/graphql-response+json"]
REFUSALS = {"BAD_USER_INPUT", "INVALID_CURSOR", "INVALID_ID", "QUERY_TOO_COMPLEX"}
HARVEST = """{
  sources { id }
  experiments(first: 20) { edges { cursor } nodes { id sessions(first: 2) { edges { cursor node { id } } } } }
  sessions(first: 2) { edges { cursor } }
}"""
KNOWN_VALUE_PROBABILITY = 0.9
"""The probability of a known value where the schema accepts any string."""
AFTER = re.compile(r'\bafter: "(?:[^"\\]|\\.)*"')
"""Most cursors are refused, since a cursor fits one filter and order. Half of the valid queries have none."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedGateway]:
    with watched_gateway(tmp_path_factory.mktemp("gateway")) as opened:
        yield opened


def known_to_clients(gateway: WatchedGateway) -> schemathesis.Config:
    """Return IDs, cursors, names and sizes, and the arguments in which a client uses them."""
    import schemathesis  # noqa: PLC0415

    found = gateway.ask(HARVEST).json()["data"]
    experiments = found["experiments"]["nodes"]
    lists = [found["experiments"], found["sessions"], *(one["sessions"] for one in experiments)]
    sessions = [edge["node"]["id"] for one in experiments for edge in one["sessions"]["edges"]]
    known = {
        "ids": [*(one["id"] for one in (*found["sources"], *experiments)), *sessions],
        "experiments": [one["id"] for one in experiments],
        "cursors": [edge["cursor"] for one in lists for edge in one["edges"]],
        "names": ["nemo", "langsmith", "meibel", "nothing"],
        "sizes": [0, 1, 2, 50, 1000, 1001, -1],
    }
    places = {
        "id": "ids",
        "ids[*]": "ids",
        "filter.ids[*]": "ids",
        "experimentIds[*]": "experiments",
        "filter.experimentIds[*]": "experiments",
        "baselineId": "experiments",
        "after": "cursors",
        "filter.sources[*]": "names",
        "filter.vendors[*]": "names",
        "first": "sizes",
    }
    return schemathesis.Config.from_dict(
        {
            "dictionaries": {name: {"values": values} for name, values in known.items()},
            "parameters": {
                f"*.*.{at}": {"dictionary": name, "probability": KNOWN_VALUE_PROBABILITY}
                for at, name in places.items()
            },
        }
    )


def outcomes(gateway: WatchedGateway, examples: int, *, valid: bool) -> Counter[str]:
    """Send generated queries, check every response against the schema, and count the error codes."""
    import schemathesis  # noqa: PLC0415
    from schemathesis.checks import CHECKS, load_all_checks  # noqa: PLC0415
    from schemathesis.core.result import Ok  # noqa: PLC0415
    from schemathesis.graphql import nodes  # noqa: PLC0415

    load_all_checks()
    schemathesis.graphql.scalar("JSON", st.text().map(nodes.String))
    mode = schemathesis.GenerationMode.POSITIVE if valid else schemathesis.GenerationMode.NEGATIVE
    schema = schemathesis.graphql.from_url(gateway.url, config=known_to_clients(gateway))
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    counted: Counter[str] = Counter()

    @seed(SEED)
    @settings(
        max_examples=examples,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of([one.as_strategy(generation_mode=mode) for one in operations]),
        media=st.sampled_from(MEDIA),
        is_first_page=st.booleans(),
    )
    def send(case: Any, media: str, is_first_page: bool) -> None:  # noqa: FBT001 - hypothesis's signature
        if is_first_page and valid:
            case.body = AFTER.sub("after: null", case.body)
        response = gateway.ask(case.body, accept=media)
        assert response.status_code < 500
        case.validate_response(
            response, checks=CHECKS.get_by_names(["response_schema_conformance", "negative_data_rejection"])
        )
        codes = codes_of(response)
        assert codes <= REFUSALS
        counted.update(codes or {"answered"})

    send()
    return counted


def codes_of(response: httpx.Response) -> set[str]:
    return {error["extensions"]["code"] for error in response.json().get("errors", ())}


@EXAMPLES
def test_valid_queries_are_answered_or_refused_by_a_known_rule_and_do_no_harm(
    gateway: WatchedGateway, examples: int
) -> None:
    with gateway.watched():
        assert outcomes(gateway, examples, valid=True)["answered"] > examples / 5


@EXAMPLES
def test_invalid_queries_are_refused_and_do_no_harm(gateway: WatchedGateway, examples: int) -> None:
    with gateway.watched():
        assert outcomes(gateway, examples, valid=False)["BAD_USER_INPUT"] > examples / 2
