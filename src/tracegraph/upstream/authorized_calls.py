"""The credential layer: it adds the credential's headers, and reads a rotated key anew."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from pydantic import SecretStr

from tracegraph.domain.secrets import read_anew
from tracegraph.errors import SourceUnauthorized
from tracegraph.upstream.messages import CallState, Fetcher, UpstreamRequest, UpstreamResponse

_HTTP_UNAUTHORIZED = 401


class AuthorizedCalls:
    """Adds one credential to every call."""

    __slots__ = ("_credential", "_next")

    def __init__(self, next_layer: Fetcher, credential: MutableMapping[str, SecretStr] | None) -> None:
        """Create the layer.

        Args:
            next_layer: The layer that gets the calls with their headers.
            credential: The secret headers by name. A newer key from a secret's file replaces a rejected one.
        """
        self._next = next_layer
        self._credential = {} if credential is None else credential

    async def fetch(self, call: UpstreamRequest, state: CallState) -> UpstreamResponse:
        """Send the call. Send it again if the vendor rejects a key whose file now holds another one.

        Args:
            call: The call.
            state: Its state, which gets the headers.

        Raises:
            SourceError: For a failed call.
        """
        rejected = state.headers = self._headers()
        try:
            return await self._next.fetch(call, state)
        except SourceUnauthorized as error:
            if error.http_status != _HTTP_UNAUTHORIZED or not self._has_newer_key(rejected):
                raise
        state.headers = self._headers()
        return await self._next.fetch(call, state)

    def _has_newer_key(self, rejected: Mapping[str, str]) -> bool:
        """Read the keys' files anew, and return whether the headers are now other than the rejected ones."""
        for name, secret in list(self._credential.items()):
            newer = read_anew(secret)
            if newer is not None:
                self._credential[name] = newer
        return self._headers() != rejected

    def _headers(self) -> dict[str, str]:
        return {name: secret.get_secret_value() for name, secret in self._credential.items()}
