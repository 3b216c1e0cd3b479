"""The requests that Meibel's adapter sends, and what it makes of single responses, without a server."""

import gzip

import httpx
import pytest
from pydantic import SecretStr
from tracegraph_meibel import open_adapter

from tracegraph.adapter import ExperimentQuery, OffsetRequest
from tracegraph.domain.filters import ExperimentOrder, ExperimentOrderField, OrderDirection
from tracegraph.errors import SourceRateLimited, SourceUnavailable
from tracegraph.testing import open_mocked

OPTIONS = {"api_key": SecretStr("secret-of-meibel")}
NEWEST_FIRST = ExperimentQuery(order=ExperimentOrder(ExperimentOrderField.CREATED_AT, OrderDirection.DESC))


async def test_agents_are_requested_by_creation_with_the_key_and_become_experiments() -> None:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        agents = [{"id": "a", "display_name": "Support", "created_at": "2026-05-01T12:00:00Z"}]
        return httpx.Response(200, json={"data": agents, "total": 1})

    async with open_mocked(open_adapter, httpx.MockTransport(respond), OPTIONS) as adapter:
        page = await adapter.list_experiments(NEWEST_FIRST, OffsetRequest(10))
    assert [(row.vendor_id, row.name) for row in page.items] == [("a", "Support")]
    (request,) = requests
    assert request.headers["meibel-api-key"] == "secret-of-meibel"
    expected = {"offset": "0", "limit": "10", "sort_by": "created_at", "sort_order": "desc"}
    assert dict(request.url.params) == expected


async def test_a_compressed_response_of_a_mock_is_decoded() -> None:
    body = httpx.Response(200, json={"data": [], "total": 0}).content
    compressed = gzip.compress(body)

    def respond(_: httpx.Request) -> httpx.Response:
        stream = httpx.ByteStream(compressed)
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=stream)

    async with open_mocked(open_adapter, httpx.MockTransport(respond), OPTIONS) as adapter:
        page = await adapter.list_experiments(NEWEST_FIRST, OffsetRequest(10))
    assert list(page.items) == []


async def test_a_failure_is_an_error_of_the_source() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"retry-after": "7"})

    def break_off(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("the connection broke")

    async with open_mocked(open_adapter, httpx.MockTransport(refuse), OPTIONS) as adapter:
        with pytest.raises(SourceRateLimited) as limited:
            await adapter.list_experiments(NEWEST_FIRST, OffsetRequest(10))
    assert limited.value.retry_after_s == 7
    async with open_mocked(open_adapter, httpx.MockTransport(break_off), OPTIONS) as adapter:
        with pytest.raises(SourceUnavailable):
            await adapter.list_experiments(NEWEST_FIRST, OffsetRequest(10))
