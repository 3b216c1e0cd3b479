"""Which addresses lead to Meibel's API."""

from __future__ import annotations

from urllib.parse import urlsplit


def normalize_base_url(url: str) -> str:
    """The address with `/v2`, which the vendor's clients add to a bare host. Raises ValueError for `/v1`."""
    plain = url.rstrip("/")
    if plain.endswith("/v1"):
        raise ValueError("the adapter reads version 2 of Meibel's API: end it in /v2")
    return plain if urlsplit(plain).path else f"{plain}/v2"
