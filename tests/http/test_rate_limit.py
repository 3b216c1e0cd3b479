"""Rate limits per principal: 429 with a Retry-After beyond the limit, without effect on other principals."""

import time
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import OpenGateway
from tests.gateway import Answer, Gateway, Vendors, in_process
from tests.redis_server import COMMAND, RedisServer, running_redis
from tracegraph.errors import RateLimited
from tracegraph.http.auth.api_keys import hash_key, new_key
from tracegraph.http.auth.principal import Principal, Quota
from tracegraph.http.rate_limit import InMemoryGCRA, RateLimiter

KEY, OTHER = new_key(), new_key()
AUTH = {
    "keys": {
        "three": {"sha256": hash_key(KEY), "requests_per_minute": 3},
        "many": {"sha256": hash_key(OTHER)},
    }
}
QUERY = orjson.dumps({"query": "{ __typename }"})


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    if COMMAND is None:
        pytest.skip("redis-server is not installed (Debian's package redis-server)")
    with running_redis() as server:
        yield server


def bucket_in(redis: RedisServer) -> bytes:
    (key,) = filter(lambda key: b"rate:" in key, redis.keys())
    return key


async def ask_with(gateway: Gateway, key: str, body: bytes = QUERY) -> Answer:
    return await gateway.post(body, authorization=f"Bearer {key}")


async def test_beyond_its_rate_a_principal_gets_429_with_a_retry_after(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(auth=AUTH)
    assert [(await ask_with(gateway, KEY)).status for _ in range(3)] == [200, 200, 200]
    refused = await ask_with(gateway, KEY, b"not even JSON")
    assert refused.status == 429
    assert refused.codes == ["RATE_LIMITED"]
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert (await ask_with(gateway, OTHER)).status == 200


async def test_without_authentication_all_share_the_common_rate(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(auth={"requests_per_minute": 2})
    assert [(await gateway.post(QUERY)).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("media", ["application/json", "application/graphql-response+json"])
async def test_a_query_that_costs_more_than_is_left_is_not_run(
    open_gateway: OpenGateway, vendors: Vendors, media: str
) -> None:
    gateway = await open_gateway(auth={"cost_per_minute": 100})
    query = orjson.dumps({"query": "{ experiments(first: 40) { nodes { name } } }", "extensions": {"cost": True}})
    first = await gateway.post(query, accept=media)
    cost = first.body["extensions"]["cost"]
    assert 50 < cost <= 100
    vendors.forget_calls()
    refused = await gateway.post(query, accept=media)
    assert (refused.status, refused.codes) == (429, ["RATE_LIMITED"])
    assert "data" not in refused.body
    wait_s = refused.errors[0]["extensions"]["retryAfterSeconds"]
    assert refused.headers["retry-after"] == str(wait_s)
    assert 0 < wait_s <= 60
    assert vendors.call_counts == (0, 0, 0)
    assert (await gateway.post(QUERY, accept=media)).status == 200


async def test_a_request_that_is_401_counts_against_no_principal(open_gateway: OpenGateway) -> None:
    gateway = await open_gateway(auth=AUTH)
    for _ in range(10):
        assert (await ask_with(gateway, "tg_wrong")).status == 401
    assert (await ask_with(gateway, KEY)).status == 200


# -- in Redis ------------------------------------------------------------------------------------------


async def test_processes_that_share_redis_count_together(vendors: Vendors, redis: RedisServer) -> None:
    settings = vendors.settings(auth=AUTH, cache={"url": redis.url, "redis_timeout_ms": 5000})
    redis.command("FLUSHALL")
    async with in_process(settings) as one, in_process(settings) as two:
        statuses = [(await ask_with(gateway, KEY)).status for gateway in (one, two, one, two, one)]
        assert statuses == [200, 200, 200, 429, 429]
        refused = await ask_with(two, KEY)
        assert 1 <= int(refused.headers["retry-after"]) <= 20
    key = bucket_in(redis)
    assert b"three" not in key
    assert redis.command("PTTL", key) > b":0"


async def test_without_redis_each_process_counts_for_itself(vendors: Vendors) -> None:
    if COMMAND is None:
        pytest.skip("redis-server is not installed (Debian's package redis-server)")
    with running_redis() as server:
        settings = vendors.settings(auth=AUTH, cache={"url": server.url, "redis_timeout_ms": 200})
        async with in_process(settings) as one, in_process(settings) as two:
            assert (await ask_with(one, KEY)).status == 200
            server.kill()
            assert [(await ask_with(one, KEY)).status for _ in range(4)] == [200, 200, 200, 429]
            assert (await ask_with(two, KEY)).status == 200


async def test_after_redis_clock_was_set_back_a_bucket_starts_full(vendors: Vendors, redis: RedisServer) -> None:
    settings = vendors.settings(auth=AUTH, cache={"url": redis.url, "redis_timeout_ms": 5000})
    redis.command("FLUSHALL")
    async with in_process(settings) as one, in_process(settings) as two:
        await ask_with(one, KEY)
        redis.command("SET", bucket_in(redis), str(time.time() + 3600))
        statuses = [(await ask_with(gateway, KEY)).status for gateway in (one, two, one, two, one)]
    assert statuses == [200, 200, 200, 429, 429]


async def test_an_invalid_value_in_redis_refuses_no_request(vendors: Vendors, redis: RedisServer) -> None:
    settings = vendors.settings(auth=AUTH, cache={"url": redis.url, "redis_timeout_ms": 5000})
    redis.command("FLUSHALL")
    async with in_process(settings) as gateway:
        await ask_with(gateway, KEY)
        key = bucket_in(redis)
        redis.command("DEL", key)
        redis.command("LPUSH", key, "x")
        assert (await ask_with(gateway, KEY)).status == 200
        redis.command("DEL", key)
        redis.command("SET", key, "not a number")
        assert (await ask_with(gateway, KEY)).status == 200
        redis.command("SET", key, "1e300")
        assert (await ask_with(gateway, KEY)).status == 200


# -- the bucket ----------------------------------------------------------------------------------------


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=120))
def test_no_minute_exceeds_twice_the_rate_and_a_request_after_its_wait_succeeds(
    rate: int, pauses: list[float]
) -> None:
    now = 1000.0
    buckets = InMemoryGCRA(lambda: now)
    accepted: list[float] = []
    for pause in pauses:
        now += pause
        wait_s = buckets.take("someone", 60 / rate)
        if wait_s == 0:
            accepted.append(now)
        else:
            now += wait_s
            assert buckets.take("someone", 60 / rate) == 0
            accepted.append(now)
        assert sum(now - 60 < at <= now for at in accepted) <= 2 * rate


def test_a_full_bucket_allows_the_whole_rate_at_once_and_the_buckets_are_an_lru() -> None:
    buckets = InMemoryGCRA(lambda: 5.0)
    assert [buckets.take("a", 60 / 7) for _ in range(7)] == [0] * 7
    assert buckets.take("a", 60 / 7) == pytest.approx(60 / 7)
    for index in range(20_000):
        buckets.take(f"other-{index}", 1)
    assert len(buckets) == 10_000
    assert buckets.take("a", 60 / 7) == 0


async def test_cost_has_its_own_bucket_and_a_cost_above_the_limit_needs_a_full_bucket() -> None:
    now = 0.0
    rates = RateLimiter(buckets=InMemoryGCRA(lambda: now))
    someone = Principal("key:someone", None, Quota(None, 100))
    await rates.count_cost(someone, 1000)
    with pytest.raises(RateLimited) as refused:
        await rates.count_cost(someone, 10)
    assert refused.value.wait_s == 6
    now = 60.0
    await rates.count_cost(someone, 60)
    await rates.count_cost(someone, 40)
    await rates.count_request(someone)
