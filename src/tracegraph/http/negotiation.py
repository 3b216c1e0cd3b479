"""Content negotiation (RFC 9110, 12): the media type and the coding of an answer, by what the client prefers."""

from __future__ import annotations

from functools import lru_cache

from starlette.datastructures import Headers

GRAPHQL = "application/graphql-response+json"


JSON = "application/json"


HTML = "text/html"


_REMEMBERED = 64
"""Values of a header whose meaning is remembered: a client sends the same one each time."""


_OUR_PARAMETERS = {"charset": "utf-8"}


_ANY, _ANY_OF_TYPE, _OTHER_PARAMETERS, _BARE, _EXACT = range(5)
"""How precisely a media range describes what is offered."""


def all_lines(headers: Headers, name: str) -> str | None:
    """A header's lines as one list, joined by commas (RFC 9110, 5.3); None when there is no line.

    Two lines of a header that may stand once become a value that is not valid, so that no line is overlooked.
    """
    lines = headers.getlist(name)
    if len(lines) == 1:
        return lines[0]
    return ", ".join(lines) if lines else None


def media_type(header: str) -> tuple[str, dict[str, str]]:
    """A Content-Type's media type in lower case, and its parameters."""
    kind, *parameters = header.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return kind.strip().lower(), {name.strip().lower(): value.strip(' "').lower() for name, _, value in pairs}


@lru_cache(_REMEMBERED)
def negotiate(header: str | None, offers: tuple[str, ...]) -> str | None:
    """The offer that an Accept header prefers; None when it takes none of them.

    Of two with the same weight, one that the header names comes before one that a wildcard covers. Of two that are
    named, GraphQL's own media type comes before JSON; else the earlier one is taken. Without a header it is JSON:
    clients that do not ask are older than GraphQL's media type.
    """
    if not header or not header.strip():
        return JSON
    ranges = [_weighted(part) for part in header.split(",")]
    best, best_rank = None, (0.0, False, False)
    for offer in offers:
        precision, weight = max(_match(offer, *one) for one in ranges)
        is_named = precision > _ANY_OF_TYPE
        rank = (weight, is_named, is_named and offer != JSON)
        if weight > 0 and rank > best_rank:
            best, best_rank = offer, rank
    return best


@lru_cache(_REMEMBERED)
def takes_gzip(header: str | None) -> bool:
    """Whether an Accept-Encoding header takes gzip and does not prefer an answer as it is.

    A client that sends no such header has not asked for compression.
    """
    weights = {coding: weight for coding, _, weight in map(_weighted, (header or "").split(","))}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weighted(part: str) -> tuple[str, dict[str, str], float]:
    """An element of a list of preferences: its name, its parameters, and its weight between 0 and 1."""
    name, parameters = media_type(part)
    try:
        weight = float(parameters.pop("q", "1"))
    except ValueError:
        weight = 0.0
    return name, parameters, weight if 0 <= weight <= 1 else 0.0


def _match(offer: str, pattern: str, parameters: dict[str, str], weight: float) -> tuple[int, float]:
    """How precisely a media range covers the offer, -1 for not at all, and its weight.

    Parameters that our answers do not have are let pass, as clients send some that change nothing.
    """
    if pattern == offer:
        if not parameters:
            return _BARE, weight
        return (_EXACT if parameters == _OUR_PARAMETERS else _OTHER_PARAMETERS), weight
    if pattern == offer.partition("/")[0] + "/*":
        return _ANY_OF_TYPE, weight
    return (_ANY, weight) if pattern == "*/*" else (-1, 0.0)
