"""The queries of the documents give the responses that stand beside them, over the demo's data."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway import Gateway, in_process
from tracegraph.commands.demo import demo_settings
from tracegraph.simulators.vendors import demo_vendors

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/query.md")
PAIR = re.compile(r"```graphql\n(.*?)```(?:(?!```).)*?```json\n(.*?)```", re.DOTALL)
DOCUMENTED = [
    pytest.param(query, json.loads(response), id=f"{page}-{number}")
    for page in PAGES
    for number, (query, response) in enumerate(PAIR.findall((ROOT / page).read_text(encoding="utf-8")), 1)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo() -> AsyncIterator[Gateway]:
    """The gateway over the demo's vendors."""
    with demo_vendors() as vendors:
        async with in_process(demo_settings(vendors)) as gateway:
            yield gateway


def test_every_query_of_the_documents_has_its_response() -> None:
    queries = [text for page in PAGES for text in re.findall(r"```graphql\n", (ROOT / page).read_text("utf-8"))]
    assert len(queries) == len(DOCUMENTED) >= 4


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("query", "response"), DOCUMENTED)
async def test_a_query_gives_the_response_beside_it(demo: Gateway, query: str, response: dict[str, Any]) -> None:
    assert (await demo.ask(query)).body == response
