"""Access control before a request is read: authentication, then the rate limit."""

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
from tracegraph.http.negotiation import all_lines
from tracegraph.http.rate_limit import RateLimiter

_LONGEST_KEY = 8192


class AccessControl:
    """Lets requests in. `callers_headers` are those of the callers' own keys, by source."""

    def __init__(
        self,
        authentication: Authentication,
        rates: RateLimiter,
        *,
        open_metrics: bool,
        callers_headers: Mapping[str, str],
    ) -> None:
        self._open_metrics = open_metrics
        self._callers_headers = callers_headers
        self._rates = rates
        self._authentication = authentication

    @property
    def asks_who(self) -> bool:
        """Whether callers must say who they are."""
        return self._authentication.is_on

    def callers_keys(self, request: Request) -> dict[str, SecretStr]:
        """The caller's own keys by source, for those that are read with them.

        What no header may hold is none, and so are two keys for one source.
        """
        given = {source: request.headers.getlist(name) for source, name in self._callers_headers.items()}
        return {
            source: SecretStr(lines[0])
            for source, lines in given.items()
            if len(lines) == 1 and _may_be_key(lines[0])
        }

    async def identify(self, request: Request) -> Principal:
        """Who asks. Raises Refusal with 401."""
        return await self._authentication.principal(all_lines(request.headers, "authorization"))

    async def admit_watcher(self, request: Request) -> None:
        """For figures of the whole gateway. Raises Refusal with 401, and 403 for who may not see all of it."""
        if self._open_metrics:
            return
        principal = await self.identify(request)
        if principal.sources is not None:
            raise HTTPRequestError(403, "FORBIDDEN", "These figures are for those who may see every source.")

    async def admit(self, request: Request) -> Principal:
        """Who asks, one more request of whom is counted. Raises Refusal with 401 or 429."""
        principal = await self.identify(request)
        try:
            await self._rates.count_request(principal)
        except RateLimited as limited:
            headers = {"retry-after": str(limited.wait_s)}
            raise HTTPRequestError(429, limited.code, limited.message, headers) from None
        return principal

    def charge(self, principal: Principal) -> CostCharger | None:
        """Charges the cost of a query to the caller; None where the caller has no limit."""
        if principal.allowance.cost_per_minute is None:
            return None
        return partial(self._rates.count_cost, principal)


def _may_be_key(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_KEY and text.isascii() and text.isprintable()
