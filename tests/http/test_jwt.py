"""Bearer tokens: signature, pinned algorithm, issuer, audience and time. A bad provider causes 401 only."""

import asyncio
import base64
import hmac
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import serialization

from tests.conftest import OpenGateway
from tests.gateway import Answer, Gateway, eventually
from tests.http.issuer import AUDIENCE, EC_KEY, ISSUER, RSA_KEYS, Issuer, public_jwk, token
from tracegraph.config.auth import AuthTable
from tracegraph.http.auth.jwks import JWKSCache
from tracegraph.http.auth.jwt import InvalidCredential, JWTVerifier
from tracegraph.http.auth.principal import Quota
from tracegraph.simulators.core.servers import running
from tracegraph.upstream.json_document import open_document

QUERY = orjson.dumps({"query": "{ sources { name } }"})


@pytest.fixture
async def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def jwks(issuer: Issuer) -> AsyncIterator[str]:
    async with running(issuer.app) as url:
        yield f"{url}/keys"
        issuer.released.set()


def table(jwks: str, **more: Any) -> dict[str, Any]:
    return {"jwt": {"issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks, "refetch_s": 3600, **more}}


@pytest.fixture
async def guarded(open_gateway: OpenGateway, jwks: str) -> Gateway:
    return await open_gateway(auth=table(jwks))


async def ask_with(gateway: Gateway, given: str) -> Answer:
    return await gateway.post(QUERY, authorization=f"Bearer {given}")


def names(answer: Answer) -> list[str]:
    return [source["name"] for source in answer.data["sources"]]


async def test_a_valid_token_is_accepted_and_the_keys_are_fetched_once(guarded: Gateway, issuer: Issuer) -> None:
    for _ in range(3):
        assert names(await ask_with(guarded, token())) == ["nemo", "langsmith", "meibel"]
    assert issuer.requests == 1


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def unsigned() -> str:
    return ".".join([part({"alg": "none", "kid": "first"}), token().split(".")[1], ""])


def signed_with_the_public_key_as_a_secret() -> str:
    """Sign with the public key as an HMAC secret, an attack known as algorithm confusion."""
    public = (
        RSA_KEYS[0]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signing = ".".join([part({"alg": "HS256", "kid": "first"}), token().split(".")[1]])
    signature = hmac.digest(public, signing.encode(), sha256)
    return f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def with_other_claims() -> str:
    header, _, signature = token().split(".")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "eve", "exp": int(time.time()) + 600}
    return ".".join([header, part(claims), signature])


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda: token(iss="https://other.example"), id="another issuer"),
        pytest.param(lambda: token(aud="other"), id="another audience"),
        pytest.param(lambda: token(exp=int(time.time()) - 31), id="expired, beyond the leeway"),
        pytest.param(lambda: token(nbf=int(time.time()) + 60), id="not yet"),
        pytest.param(lambda: token(exp=None), id="without an expiry"),
        pytest.param(lambda: token(aud=None), id="without an audience"),
        pytest.param(lambda: token(iss=None), id="without an issuer"),
        pytest.param(lambda: token(sub=None), id="without a subject"),
        pytest.param(lambda: token(sub=""), id="an empty subject"),
        pytest.param(lambda: token(sub="x" * 600), id="a long subject"),
        pytest.param(lambda: token(RSA_KEYS[1]), id="signed by another key"),
        pytest.param(lambda: token(alg="RS512"), id="an algorithm that is not pinned"),
        pytest.param(lambda: token(EC_KEY, alg="ES256"), id="an algorithm of another kind of key"),
        pytest.param(unsigned, id="alg none"),
        pytest.param(signed_with_the_public_key_as_a_secret, id="the public key as a secret"),
        pytest.param(with_other_claims, id="changed claims"),
        pytest.param(lambda: "a.b.c", id="three letters"),
        pytest.param(lambda: "e30.e30.", id="empty objects"),
        pytest.param(lambda: "W10.W10.W10", id="lists"),
        pytest.param(lambda: part({"alg": "RS256", "kid": ["first"]}) + ".e30.e30", id="a kid that is a list"),
        pytest.param(lambda: part({"alg": ["RS256"], "kid": "first"}) + ".e30.e30", id="an alg that is a list"),
    ],
)
async def test_any_other_token_is_401_without_a_reason(guarded: Gateway, bad: Any) -> None:
    answer = await ask_with(guarded, bad())
    assert answer.status == 401
    assert [error["message"] for error in answer.errors] == ["The API key or token is not valid: send another."]
    assert (await ask_with(guarded, token())).status == 200


async def test_a_token_within_the_leeway_is_accepted(guarded: Gateway) -> None:
    assert (await ask_with(guarded, token(exp=int(time.time()) - 5))).status == 200


async def test_a_claim_limits_the_sources_and_without_it_there_are_none(
    open_gateway: OpenGateway, jwks: str
) -> None:
    gateway = await open_gateway(auth=table(jwks, sources_claim="traces"))
    assert names(await ask_with(gateway, token(traces=["nemo", "unheard-of", 5]))) == ["nemo"]
    assert names(await ask_with(gateway, token(traces="meibel nemo"))) == ["nemo", "meibel"]
    nothings: list[Any] = [None, 5, {"nemo": True}, [], ""]
    for nothing in nothings:
        assert names(await ask_with(gateway, token(traces=nothing))) == []


class Clock:
    """A clock that the test sets, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tokens(jwks: str, clock: Clock) -> AsyncIterator[JWTVerifier]:
    """Provide a verifier that fetches the keys at most every 30 s, and at least every 600 s."""
    known = AuthTable.model_validate(table(jwks, refetch_s=30, renew_s=600)).jwt
    assert known is not None
    async with open_document(known.jwks) as fetch:
        keys = JWKSCache(fetch, known.refetch_s, known.renew_s, clock)
        yield JWTVerifier(known, keys, Quota())
        await keys.close()


async def test_a_new_key_of_the_provider_is_fetched_when_a_token_names_it(
    tokens: JWTVerifier, issuer: Issuer, clock: Clock
) -> None:
    assert await tokens.principal(token()) is not None
    issuer.serve(public_jwk(RSA_KEYS[0], "first"), public_jwk(EC_KEY, "second"))
    clock.now += 29
    with pytest.raises(InvalidCredential, match="does not publish"):
        await tokens.principal(token(EC_KEY, "second", "ES256"))
    clock.now += 1
    assert await tokens.principal(token(EC_KEY, "second", "ES256")) is not None
    assert issuer.requests == 2


async def test_a_key_that_the_provider_withdrew_is_good_until_the_keys_are_renewed(
    tokens: JWTVerifier, issuer: Issuer, clock: Clock
) -> None:
    assert await tokens.principal(token()) is not None
    issuer.serve(public_jwk(EC_KEY, "second"))
    clock.now += 600
    assert await tokens.principal(token()) is not None  # this call starts a background refresh
    assert await tokens.principal(token(EC_KEY, "second", "ES256")) is not None
    with pytest.raises(InvalidCredential, match="does not publish"):
        await tokens.principal(token())


async def test_many_unknown_keys_cause_one_fetch_per_interval(guarded: Gateway, issuer: Issuer) -> None:
    answers = await asyncio.gather(*(ask_with(guarded, token(kid=f"unknown-{index}")) for index in range(40)))
    assert {answer.status for answer in answers} == {401}
    assert issuer.requests == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        b'{"keys": 5}',
        b'{"keys": [5, null, {}]}',
        b'{"keys": [{"kty": "oct", "kid": "first", "k": "AAAA"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "first", "n": "!", "e": "!"}]}',
        b'{"keys": [{"kty": "RSA", "kid": {}, "n": "AQAB", "e": "AQAB"}]}',
        b'{"keys": ' + b"[" * 100_000,
        b" " * 1_000_000,
    ],
)
async def test_an_invalid_key_set_causes_401(guarded: Gateway, issuer: Issuer, body: bytes) -> None:
    issuer.respond(body)
    assert (await ask_with(guarded, token())).status == 401
    assert (await guarded.http.get("/healthz")).status_code == 200


async def test_a_redirect_of_the_provider_is_not_followed(guarded: Gateway, issuer: Issuer) -> None:
    issuer.respond(b"", 302, location="/keys")
    assert (await ask_with(guarded, token())).status == 401
    assert issuer.requests == 1


async def test_a_provider_that_hangs_delays_no_token_with_a_cached_key(
    tokens: JWTVerifier, issuer: Issuer, clock: Clock
) -> None:
    assert await tokens.principal(token()) is not None
    clock.now += 30
    issuer.hang()
    waiting = asyncio.create_task(tokens.principal(token(kid="unknown")))
    assert await eventually(lambda: issuer.requests == 2)
    for _ in range(5):
        assert await tokens.principal(token()) is not None
    assert not waiting.done()
    issuer.released.set()
    with pytest.raises(InvalidCredential, match="does not publish"):
        await waiting


async def test_the_keys_may_come_from_a_file(open_gateway: OpenGateway, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(orjson.dumps({"keys": [public_jwk(RSA_KEYS[0], None)]}))
    gateway = await open_gateway(auth=table(f"file:{file}"))
    assert (await ask_with(gateway, token(kid=None))).status == 200
    missing = await open_gateway(auth=table(f"file:{tmp_path}/none.json"))
    assert (await ask_with(missing, token())).status == 401
