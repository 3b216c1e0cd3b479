"""An identity provider for tests: it signs tokens, and serves valid or invalid keys over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ISSUER, AUDIENCE = "https://login.example", "tracegraph"
RSA_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return the public key as a JWK."""
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    entry: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return {name: value for name, value in {**entry, "kid": kid, **more}.items() if value is not None}


def token(key: Any = RSA_KEYS[0], kid: str | None = "first", alg: str = "RS256", **claims: Any) -> str:
    """Return a token, valid unless the arguments make it invalid. A claim of None is omitted."""
    now = int(time.time())
    all_claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 600, **claims}
    payload = {name: value for name, value in all_claims.items() if value is not None}
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(payload, key, algorithm=alg, headers=headers)


def _serve_keys(*keys: dict[str, Any]) -> Callable[[], Any]:
    async def answer() -> Response:
        return Response(json.dumps({"keys": list(keys)}), media_type="application/json")

    return answer


class Issuer:
    """Serves keys, and counts the requests."""

    def __init__(self) -> None:
        self.requests = 0
        self.released = asyncio.Event()
        self._answer = _serve_keys(public_jwk(RSA_KEYS[0], "first"))
        self.app = Starlette(routes=[Route("/keys", self._keys)])

    async def _keys(self, _: Request) -> Response:
        self.requests += 1
        response: Response = await self._answer()
        return response

    def serve(self, *keys: dict[str, Any]) -> None:
        """Respond with these keys from now on."""
        self._answer = _serve_keys(*keys)

    def respond(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Respond with this body and status from now on."""

        async def answer() -> Response:
            return Response(body, status, headers)

        self._answer = answer

    def hang(self) -> None:
        """Send no response until `released` is set."""

        async def answer() -> Response:
            await self.released.wait()
            return Response(status_code=503)

        self._answer = answer
