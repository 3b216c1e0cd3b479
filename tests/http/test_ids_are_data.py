"""An ID with any content causes the vendor calls of a plain ID, or none, as the simulators' logs prove."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.gateway import LANGSMITH, MEIBEL, NEMO, Gateway, Vendors, in_process
from tests.worlds import fill
from tracegraph.graphql.relay.ids import encode_id
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
"""An ID in a form that every vendor accepts, without a row at any vendor."""
QUERIES = [
    "query($e: ID!, $s: ID!) { node(id: $e) { id } experiment(id: $e) { name } session(id: $s) { name } }",
    "query($e: ID!, $s: ID!) { nodes(ids: [$s, $e]) { id ... on Experiment { sessions { nodes { id } } } } }",
    "query($e: ID!) { experiments(filter: {ids: [$e]}) { nodes { id sessions { totalCount } } } }",
    "query($e: ID!) { sessions(filter: {experimentIds: [$e]}) { nodes { id experiment { name } } } }",
    """query($e: ID!) { comparison(experimentIds: [$e, $e], basis: COMPUTED) { metrics { entries { value } }
      cases(metric: {kind: LATENCY}) { totalCount } } }""",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendors() -> AsyncIterator[Vendors]:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as opened:
        fill(opened, experiments=1, sessions=1)
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(vendors: Vendors) -> AsyncIterator[Gateway]:
    off = {"retry": {"attempts": 1}, "breaker": {"enabled": False}}
    sources = {name: {**off, **table} for name, table in vendors.sources().items()}
    async with in_process(vendors.settings(sources=sources)) as opened:
        yield opened


async def calls_of(
    gateway: Gateway, vendors: Vendors, source: str, experiment: str, session: str
) -> set[tuple[str, str]]:
    """Return method and decoded path of every call that the IDs cause, through any field of the schema."""
    vendors.forget_calls()
    ids: dict[str, Any] = {
        "e": encode_id("Experiment", source, experiment),
        "s": encode_id("Session", source, experiment, session),
    }
    for query in QUERIES:
        variables = {name: value for name, value in ids.items() if f"${name}:" in query}
        answer = await gateway.post(orjson.dumps({"query": query, "variables": variables}))
        assert answer.status == 200
        assert "INTERNAL_SERVER_ERROR" not in answer.codes
    assert all(vendors.named(other).calls == [] for other in (NEMO, LANGSMITH, MEIBEL) if other != source)
    return {(call.method, call.path) for call in vendors.named(source).calls}


odd = st.text(st.sampled_from("./\\%2eEfF?#;:@&=+ \r\n\0ax\u00e9\u202e"), max_size=12) | st.text(max_size=12)


@pytest.mark.parametrize("source", [NEMO, LANGSMITH, MEIBEL])
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(experiment=odd, session=odd)
@example("../../secrets", "..")
@example("..%2f..%2fsecrets", "%2e%2e")
@example("a/b", "/")
@example("?limit=1", "#x")
@example("x\r\nX-Admin: 1", "\r\n\r\nGET / HTTP/1.1")
@example("\0", "a\0b")
@example("http://evil.example/", "//evil.example")
@example("@evil.example", ":80@evil.example")
@example("x" * 5000, "y" * 1024)
@example("\u65e5\u672c", "\u202e")
@example("", ".")
async def test_an_id_causes_only_the_calls_of_a_plain_id_or_none(
    gateway: Gateway, vendors: Vendors, source: str, experiment: str, session: str
) -> None:
    plain = await calls_of(gateway, vendors, source, PLAIN, PLAIN)
    allowed = {
        (method, path.replace(PLAIN, first, 1).replace(PLAIN, second, 1))
        for method, path in plain
        for first in (experiment, session)
        for second in (experiment, session)
    }
    assert await calls_of(gateway, vendors, source, experiment, session) <= allowed


@pytest.mark.parametrize("source", [NEMO, LANGSMITH, MEIBEL])
async def test_a_plain_id_calls_its_vendor(gateway: Gateway, vendors: Vendors, source: str) -> None:
    assert (
        any(PLAIN in path for _, path in await calls_of(gateway, vendors, source, PLAIN, PLAIN))
        or source == LANGSMITH
    )
    assert vendors.named(source).calls
