"""Callers' own vendor credentials: used for their source only, never revealed, and without shared replies."""

import asyncio

import orjson
import pytest
from structlog.testing import capture_logs

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, NEMO, Answer, Gateway, Vendors, in_process
from tests.worlds import fill
from tracegraph.config.settings import Settings
from tracegraph.simulators.core.faults import Fault

HEADER = "x-nemo-key"
QUERY = orjson.dumps({"query": "{ experiments { nodes { name source { name } } } }"})


def settings(vendors: Vendors, **tables: object) -> Settings:
    sources = vendors.sources()
    sources[NEMO]["pass_through"] = HEADER
    return vendors.settings(sources=sources, **tables)


async def ask_with(gateway: Gateway, key: str | None, body: bytes = QUERY) -> Answer:
    headers = {} if key is None else {"x_nemo_key": key}
    return await gateway.post(body, **headers)


def sources_of(answer: Answer) -> set[str]:
    return {node["source"]["name"] for node in answer.partial["experiments"]["nodes"]}


async def test_the_callers_credential_goes_to_its_vendor_and_to_no_other(vendors: Vendors) -> None:
    fill(vendors)
    async with in_process(settings(vendors)) as gateway:
        answer = await ask_with(gateway, "ada's-key")
    assert sources_of(answer) == {"nemo", "langsmith", "meibel"}
    assert {call.headers["authorization"] for call in vendors.nemo.calls} == {"Bearer ada's-key"}
    others = [*vendors.langsmith.calls, *vendors.meibel.calls]
    assert others
    assert not any("ada's-key" in str(call.headers) for call in others)


@pytest.mark.parametrize("key", [None, "", "caf\u00e9", "k" * 9000])
async def test_without_a_usable_key_that_source_alone_is_unauthorized(vendors: Vendors, key: str | None) -> None:
    fill(vendors)
    async with in_process(settings(vendors)) as gateway:
        answer = await gateway.http.post(
            "/graphql",
            content=QUERY,
            headers=[(b"content-type", b"application/json")]
            + ([] if key is None else [(HEADER.encode(), key.encode())]),
        )
    body = Answer(answer.status_code, answer.headers, answer.content)
    assert sources_of(body) == {"langsmith", "meibel"}
    assert body.troubles == {NEMO: "UNAUTHORIZED"}
    (report,) = body.body["extensions"]["sources"]
    assert HEADER in report["message"]
    assert vendors.nemo.calls == []


async def test_two_keys_for_one_source_are_ignored(vendors: Vendors) -> None:
    fill(vendors)
    headers = [("content-type", "application/json"), (HEADER, "ada"), (HEADER, "bob")]
    async with in_process(settings(vendors)) as gateway:
        response = await gateway.http.post("/graphql", content=QUERY, headers=headers)
    answer = Answer(response.status_code, response.headers, response.content)
    assert answer.troubles == {NEMO: "UNAUTHORIZED"}
    assert vendors.nemo.calls == []


async def test_equal_queries_at_one_instant_share_no_call_under_two_keys(vendors: Vendors) -> None:
    fill(vendors)
    async with in_process(settings(vendors, cache={"url": "memory://", "ttl_s": 60})) as gateway:
        await ask_with(gateway, "alone")
        one_query = len(vendors.nemo.calls)
        vendors.forget_calls()
        keys = ["ada", "bob"] * 5
        answers = await asyncio.gather(*(ask_with(gateway, key) for key in keys))
        assert {answer.content for answer in answers} == {answers[0].content}
        bearers = [call.headers["authorization"] for call in vendors.nemo.calls]
        assert sorted(bearers) == ["Bearer ada"] * one_query + ["Bearer bob"] * one_query
        assert len(vendors.langsmith.calls) == 0  # the gateway's own key: its replies are cached for all callers
        vendors.forget_calls()
        await asyncio.gather(*(ask_with(gateway, key) for key in keys))
        assert vendors.nemo.calls == []


async def test_a_cached_response_of_one_key_is_not_used_for_another_key_or_without_a_key(vendors: Vendors) -> None:
    fill(vendors)
    async with in_process(settings(vendors, cache={"url": "memory://", "ttl_s": 60})) as gateway:
        assert sources_of(await ask_with(gateway, "ada")) == {"nemo", "langsmith", "meibel"}
        vendors.nemo.fail(Fault("status", status=401, times=None))
        assert (await ask_with(gateway, "mallory")).troubles == {NEMO: "UNAUTHORIZED"}
        assert (await ask_with(gateway, None)).troubles == {NEMO: "UNAUTHORIZED"}
        assert (await ask_with(gateway, "ada")).troubles == {}


async def test_an_expired_reply_is_refreshed_with_the_key_of_its_first_read(vendors: Vendors) -> None:
    fill(vendors)
    async with in_process(settings(vendors, cache={"url": "memory://", "ttl_s": 0.2})) as gateway:
        for _ in range(40):
            await asyncio.gather(ask_with(gateway, "ada"), ask_with(gateway, "bob"))
            await asyncio.sleep(0.01)
    assert {call.headers["authorization"] for call in vendors.nemo.calls} == {"Bearer ada", "Bearer bob"}


async def test_a_valid_and_an_invalid_key_at_one_time_get_their_own_results(
    open_gateway: OpenGateway, vendors: Vendors
) -> None:
    fill(vendors)
    sources = vendors.sources()
    right = sources[LANGSMITH].pop("api_key").get_secret_value()
    sources[LANGSMITH]["pass_through"] = "x-langsmith-key"
    gateway = await open_gateway(sources=sources)
    good, bad = await asyncio.gather(
        gateway.post(QUERY, x_langsmith_key=right), gateway.post(QUERY, x_langsmith_key="wrong")
    )
    assert sources_of(good) == {"nemo", "langsmith", "meibel"}
    assert sources_of(bad) == {"nemo", "meibel"}


async def test_a_key_is_in_no_log_and_no_response_even_when_the_vendor_repeats_it(vendors: Vendors) -> None:
    fill(vendors)
    key = "never-to-be-seen-4711"
    with capture_logs() as logs:
        async with in_process(settings(vendors)) as gateway:
            vendors.nemo.fail(Fault("status", status=400, times=None, body={"you sent": f"Bearer {key}"}))
            answer = await ask_with(gateway, key)
            health = await ask_with(
                gateway, key, orjson.dumps({"query": "{ sources { health { lastError { message } } } }"})
            )
    assert [line for line in logs if line["event"] == "upstream.failed.detail"]
    assert key not in str(logs)
    assert key not in answer.content.decode() + health.content.decode()


async def test_the_gateways_key_and_the_callers_exclude_each_other(vendors: Vendors) -> None:
    sources = vendors.sources()
    sources[LANGSMITH]["pass_through"] = "x-langsmith-key"
    with pytest.raises(ValueError, match="api_key and pass_through are both set"):
        vendors.settings(sources=sources)
    sources = vendors.sources()
    sources[NEMO]["pass_through"] = "authorization"
    with pytest.raises(ValueError, match="pass_through"):
        vendors.settings(sources=sources)
