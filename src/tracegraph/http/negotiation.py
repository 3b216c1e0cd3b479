"""Content negotiation (RFC 9110, 12): the media type and the coding of a response, as the client prefers."""

from __future__ import annotations

from functools import lru_cache
from urllib.request import parse_http_list

from starlette.datastructures import Headers

GRAPHQL = "application/graphql-response+json"


JSON = "application/json"


HTML = "text/html"


MAX_CACHED_HEADERS = 64
"""The number of header values whose parsed form is cached. A client sends the same value with each request."""


_RESPONSE_PARAMETERS = {"charset": "utf-8"}


_ANY, _ANY_OF_TYPE, _OTHER_PARAMETERS, _BARE, _EXACT = range(5)
"""The precision with which a media range matches an offer."""


def combined_header(headers: Headers, name: str) -> str | None:
    """Return a header's lines joined by commas (RFC 9110, 5.3), or None when the header is absent.

    Two lines of a header that may occur once become an invalid value, so that no line is overlooked.
    """
    lines = headers.getlist(name)
    if len(lines) == 1:
        return lines[0]
    return ", ".join(lines) if lines else None


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """Return the media type of a Content-Type in lower case, and its parameters."""
    kind, *parameters = header.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return kind.strip().lower(), {name.strip().lower(): value.strip(' "').lower() for name, _, value in pairs}


@lru_cache(MAX_CACHED_HEADERS)
def negotiate(header: str | None, offers: tuple[str, ...]) -> str | None:
    """Return the offer that an Accept header prefers, or None when the header accepts no offer.

    Of two offers with the same weight, an offer that the header names wins over an offer that a wildcard matches.
    Of two named offers, GraphQL's own media type wins over JSON. Otherwise the earlier offer wins. Without a
    header the result is JSON: clients without an Accept header are older than GraphQL's media type.
    """
    if not header or not header.strip():
        return JSON
    ranges = media_ranges(header)
    best, best_rank = None, (0.0, False, False)
    for offer in offers:
        precision, weight = max(_match(offer, *media_range) for media_range in ranges)
        is_named = precision > _ANY_OF_TYPE
        rank = (weight, is_named, is_named and offer != JSON)
        if weight > 0 and rank > best_rank:
            best, best_rank = offer, rank
    return best


@lru_cache(MAX_CACHED_HEADERS)
def takes_gzip(header: str | None) -> bool:
    """Return whether an Accept-Encoding header accepts gzip and does not prefer an uncompressed response.

    A client without this header gets an uncompressed response.
    """
    weights = {coding: weight for coding, _, weight in map(_parse_media_range, (header or "").split(","))}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def media_ranges(header: str) -> list[tuple[str, dict[str, str], float]]:
    """Return the name, the parameters and the weight of each media range of an Accept header, in lower case."""
    return [_parse_media_range(part) for part in parse_http_list(header)]


def _parse_media_range(part: str) -> tuple[str, dict[str, str], float]:
    """Return an element's name, its parameters, and its weight between 0 and 1."""
    name, parameters = media_type(part)
    try:
        weight = float(parameters.pop("q", "1"))
    except ValueError:
        weight = 0.0
    return name, parameters, weight if 0 <= weight <= 1 else 0.0


def _match(offer: str, pattern: str, parameters: dict[str, str], weight: float) -> tuple[int, float]:
    """Return the precision with which a media range matches the offer, or -1 without a match, and its weight.

    Unknown parameters still match, since clients send parameters that change nothing.
    """
    if pattern == offer:
        if not parameters:
            return _BARE, weight
        return (_EXACT if parameters == _RESPONSE_PARAMETERS else _OTHER_PARAMETERS), weight
    if pattern == offer.partition("/")[0] + "/*":
        return _ANY_OF_TYPE, weight
    return (_ANY, weight) if pattern == "*/*" else (-1, 0.0)
