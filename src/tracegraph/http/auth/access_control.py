"""Access control before a request is parsed: authentication, then the rate limit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from pydantic import SecretStr
from starlette.requests import Request

from tracegraph.errors import RateLimited
from tracegraph.graphql.context import CostCharger
from tracegraph.http.auth.authenticator import Authentication
from tracegraph.http.auth.principal import Principal
from tracegraph.http.errors import HTTPRequestError
from tracegraph.http.negotiation import combined_header
from tracegraph.http.rate_limit import RateLimiter

MAX_PASS_THROUGH_LENGTH = 8192


class AccessControl:
    """Authorizes requests, and reads the callers' own vendor credentials.

    `pass_through_headers` maps a source to the name of the header with the caller's credential.
    """

    def __init__(
        self,
        authentication: Authentication,
        rate_limiter: RateLimiter,
        *,
        open_metrics: bool,
        pass_through_headers: Mapping[str, str],
    ) -> None:
        self._open_metrics = open_metrics
        self._pass_through_headers = pass_through_headers
        self._rate_limiter = rate_limiter
        self._authentication = authentication

    @property
    def requires_auth(self) -> bool:
        """Whether callers must authenticate."""
        return self._authentication.is_on

    def pass_through_credentials(self, request: Request) -> dict[str, SecretStr]:
        """Return the caller's own vendor credentials by source.

        An invalid credential is ignored, and so are two credentials for one source.
        """
        values = {source: request.headers.getlist(name) for source, name in self._pass_through_headers.items()}
        return {
            source: SecretStr(lines[0])
            for source, lines in values.items()
            if len(lines) == 1 and _is_valid_credential(lines[0])
        }

    async def identify(self, request: Request) -> Principal:
        """Return the principal of the request.

        Raises:
            HTTPRequestError: The credential is missing or invalid (401).
        """
        return await self._authentication.principal(combined_header(request.headers, "authorization"))

    async def authorize_metrics(self, request: Request) -> None:
        """Authorize a request for the metrics, which name every source.

        Raises:
            HTTPRequestError: The credential is missing or invalid (401), or limited to some sources (403).
        """
        if self._open_metrics:
            return
        principal = await self.identify(request)
        if principal.sources is not None:
            raise HTTPRequestError(
                403, "FORBIDDEN", "The metrics require a credential that may read every source."
            )

    async def authorize(self, request: Request) -> Principal:
        """Return the principal of the request, and count the request against its rate limit.

        Raises:
            HTTPRequestError: The credential is missing or invalid (401), or the limit is reached (429).
        """
        principal = await self.identify(request)
        try:
            await self._rate_limiter.count_request(principal)
        except RateLimited as limited:
            headers = {"retry-after": str(limited.wait_s)}
            raise HTTPRequestError(429, limited.code, limited.message, headers) from None
        return principal

    def cost_charger(self, principal: Principal) -> CostCharger | None:
        """Return a function that charges query cost to the principal, or None for a principal without a limit."""
        if principal.quota.cost_per_minute is None:
            return None
        return partial(self._rate_limiter.count_cost, principal)


def _is_valid_credential(text: str) -> bool:
    return 0 < len(text) <= MAX_PASS_THROUGH_LENGTH and text.isascii() and text.isprintable()
