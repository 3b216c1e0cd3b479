"""API keys: a key grants access under its name and with its sources. Other requests get 401 without a reason."""

import orjson
import pytest

from tests.conftest import OpenGateway
from tests.gateway import LANGSMITH, NEMO, Answer, Gateway, Vendors
from tests.worlds import fill
from tracegraph.http.auth.api_keys import PREFIX, hash_key, new_key

KEY, OTHER = new_key(), new_key()
KEYS = {"dashboard": {"sha256": hash_key(KEY)}, "nemo-only": {"sha256": hash_key(OTHER), "sources": [NEMO]}}
QUERY = orjson.dumps({"query": "{ sources { name } }"})


@pytest.fixture
async def guarded(open_gateway: OpenGateway) -> Gateway:
    return await open_gateway(auth={"keys": KEYS})


async def ask_with(gateway: Gateway, authorization: str) -> Answer:
    return await gateway.post(QUERY, authorization=authorization)


def names(answer: Answer) -> list[str]:
    return [source["name"] for source in answer.data["sources"]]


async def test_the_holder_of_a_key_sees_every_source(guarded: Gateway) -> None:
    assert names(await ask_with(guarded, f"Bearer {KEY}")) == ["nemo", "langsmith", "meibel"]
    assert names(await ask_with(guarded, f"bearer  {KEY}")) == ["nemo", "langsmith", "meibel"]


async def test_a_key_with_sources_sees_those_only(guarded: Gateway) -> None:
    assert names(await ask_with(guarded, f"Bearer {OTHER}")) == [NEMO]


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="nothing"),
        pytest.param("Bearer", id="no key"),
        pytest.param("Bearer ", id="an empty key"),
        pytest.param(f"Basic {KEY}", id="another scheme"),
        pytest.param(KEY, id="no scheme"),
        pytest.param(f"Bearer {KEY[:-1]}", id="too short"),
        pytest.param(f"Bearer {KEY}x", id="too long"),
        pytest.param(f"Bearer {KEY.removeprefix(PREFIX)}", id="no prefix"),
        pytest.param(f"Bearer {hash_key(KEY)}", id="the hash"),
        pytest.param(f"Bearer {PREFIX}", id="the prefix alone"),
        pytest.param(f"Bearer {KEY}, Bearer {OTHER}", id="two keys"),
        pytest.param("Bearer a.b.c", id="a token"),
        pytest.param("Bearer " + "x" * 60_000, id="60,000 characters"),
    ],
)
async def test_any_other_credential_is_401_before_the_request_is_parsed(
    guarded: Gateway, vendors: Vendors, authorization: str
) -> None:
    answer = await guarded.post(b"not even JSON", authorization=authorization)
    assert answer.status == 401
    assert answer.codes == ["UNAUTHENTICATED"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="tracegraph"'
    assert authorization.removeprefix("Bearer ") not in answer.content.decode() or len(authorization) < 8
    assert vendors.call_counts == (0, 0, 0)


async def test_two_credentials_are_refused(guarded: Gateway) -> None:
    for lines in ([KEY, OTHER], [KEY, KEY], ["", KEY]):
        headers = [("content-type", "application/json"), *(("authorization", f"Bearer {one}") for one in lines)]
        response = await guarded.http.post("/graphql", content=QUERY, headers=headers)
        assert response.status_code == 401


@pytest.mark.parametrize("name", ["cookie", "proxy-authorization", "x-api-key", "x-nemo-key"])
async def test_a_key_in_any_other_header_is_refused(guarded: Gateway, name: str) -> None:
    """Browsers send cookies with the requests of any page."""
    for value in (f"Bearer {KEY}", KEY, f"authorization={KEY}"):
        headers = {name: value, "content-type": "application/json"}
        response = await guarded.http.post("/graphql", content=QUERY, headers=headers)
        assert response.status_code == 401
        assert "set-cookie" not in response.headers


async def test_without_a_header_it_is_401_for_a_get_too(guarded: Gateway) -> None:
    response = await guarded.http.get("/graphql", params={"query": "{ __typename }"})
    assert response.status_code == 401


async def test_the_playground_and_health_stay_open_and_name_no_source(guarded: Gateway) -> None:
    page = await guarded.http.get("/graphql", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert (await guarded.http.get("/healthz")).json() == {"status": "ok"}
    assert (await guarded.http.get("/readyz")).json() == {"status": "ready"}


async def test_a_key_for_one_source_calls_only_its_vendor(guarded: Gateway, vendors: Vendors) -> None:
    fill(vendors)
    body = orjson.dumps({"query": "{ experiments { nodes { source { name } } } }"})
    answer = await guarded.post(body, authorization=f"Bearer {OTHER}")
    assert {node["source"]["name"] for node in answer.data["experiments"]["nodes"]} == {NEMO}
    nemo_calls, *others = vendors.call_counts
    assert nemo_calls > 0
    assert others == [0, 0]
    assert LANGSMITH not in answer.content.decode()


def test_new_keys_hold_256_bits_and_differ() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == len(PREFIX) + 43 for key in keys)


async def test_metrics_need_a_principal_that_sees_every_source(
    guarded: Gateway, open_gateway: OpenGateway
) -> None:
    async def status(gateway: Gateway, authorization: str) -> int:
        return (await gateway.http.get("/metrics", headers={"authorization": authorization})).status_code

    assert await status(guarded, "") == 401
    assert await status(guarded, f"Bearer {OTHER}") == 403
    assert await status(guarded, f"Bearer {KEY}") == 200
    assert await status(await open_gateway(auth={"keys": KEYS, "open_metrics": True}), "") == 200
