"""One vendor's HTTP as the adapters see it: `fetch` a call, get a good reply or a SourceError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import SecretStr

from tracegraph.upstream.call import Call, Reply, Tries
from tracegraph.upstream.guards import Guards
from tracegraph.upstream.reads import Reads


@dataclass(frozen=True, slots=True)
class Upstream:
    """The way to one source. Adapters add their credential once and then fetch."""

    guards: Guards
    credential: Mapping[str, SecretStr] | None = None
    reads: Reads | None = None

    @property
    def source(self) -> str:
        """The source's configured name."""
        return self.guards.source

    def with_credential(self, headers: Mapping[str, SecretStr | None]) -> Upstream:
        """The same way with these headers on every call; a header without a secret is left out."""
        present = {name: secret for name, secret in headers.items() if secret is not None}
        values = {name: secret.get_secret_value() for name, secret in present.items()}
        return replace(self, credential=present, reads=self.reads and self.reads.with_credential(values))

    async def fetch(self, call: Call) -> Reply:
        """The vendor's answer with status 2xx, or one that the cache holds; see `reads`.

        Raises SourceError with the number of calls that were made for this asker.
        """
        if self.reads is None:
            return await self._ask(call, Tries())
        return await self.reads.fetch(call, self._ask)

    async def _ask(self, call: Call, tries: Tries) -> Reply:
        return await self.guards.attempts(call, self._headers(), tries)

    def _headers(self) -> dict[str, str]:
        return {name: secret.get_secret_value() for name, secret in (self.credential or {}).items()}
