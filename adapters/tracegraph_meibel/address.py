"""Normalization of the base URL of Meibel's API."""

from __future__ import annotations

from urllib.parse import urlsplit


def normalize_base_url(url: str) -> str:
    """Return the address with `/v2`, which the vendor's clients add to a bare host.

    Raises:
        ValueError: The address ends in `/v1`.
    """
    plain = url.rstrip("/")
    if plain.endswith("/v1"):
        raise ValueError("the adapter supports version 2 of Meibel's API: end it in /v2")
    return plain if urlsplit(plain).path else f"{plain}/v2"
