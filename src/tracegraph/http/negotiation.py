"""Content negotiation of GraphQL over HTTP: exact media types, the client's preference among ours."""

from __future__ import annotations

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """A Content-Type's media type in lower case, and its parameters."""
    kind, *parameters = header.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return kind.strip().lower(), {name.strip().lower(): value.strip(' "').lower() for name, _, value in pairs}


def accepted(header: str | None, offers: tuple[str, ...]) -> str | None:
    """The offer that the Accept header likes best; the earlier of two that it likes the same; None for none.

    Without a header, JSON: clients that do not ask are older than the media type of their own.
    """
    if not header or not header.strip():
        return JSON
    wishes = [_wish(part) for part in header.split(",")]
    best: tuple[float, int, str] | None = None
    for rank, offer in enumerate(offers):
        quality = _quality(offer, wishes)
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, rank, offer)
    return None if best is None else best[2]


def _wish(part: str) -> tuple[str, float]:
    kind, parameters = media_type(part)
    try:
        return kind, float(parameters.get("q", "1"))
    except ValueError:
        return kind, 0.0


def _quality(offer: str, wishes: list[tuple[str, float]]) -> float:
    """The quality given by the most specific wish that covers the offer."""
    main = offer.split("/", 1)[0] + "/*"
    for pattern in (offer, main, "*/*"):
        found = [quality for kind, quality in wishes if kind == pattern]
        if found:
            return max(found)
    return 0.0
