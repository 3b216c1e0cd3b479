"""What a request passes before it is read: who asks, and whether they may ask now."""

from __future__ import annotations

from starlette.requests import Request

from tracegraph.http.authentication import Authentication
from tracegraph.http.principal import Principal
from tracegraph.http.rates import Rates
from tracegraph.http.refusal import Refusal


class Door:
    """Lets requests in."""

    def __init__(self, authentication: Authentication, rates: Rates, *, open_metrics: bool = False) -> None:
        self._open_metrics = open_metrics
        self.rates = rates
        self._authentication = authentication

    @property
    def asks_who(self) -> bool:
        """Whether callers must say who they are."""
        return self._authentication.is_on

    async def identify(self, request: Request) -> Principal:
        """Who asks. Raises Refusal with 401."""
        return await self._authentication.principal(request.headers.get("authorization"))

    async def admit_watcher(self, request: Request) -> None:
        """For figures of the whole gateway. Raises Refusal with 401, and 403 for who may not see all of it."""
        if self._open_metrics:
            return
        principal = await self.identify(request)
        if principal.sources is not None:
            raise Refusal(403, "FORBIDDEN", "These figures are for those who may see every source.")

    async def admit(self, request: Request) -> Principal:
        """Who asks, one more request of whom is counted. Raises Refusal with 401 or 429."""
        principal = await self.identify(request)
        await self.rates.count_request(principal)
        return principal
