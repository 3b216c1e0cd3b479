"""JSON encoding of GraphQL responses."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from tracegraph.upstream.lenient_values import encode_json


def to_json(body: Mapping[str, object]) -> bytes:
    """Return the response as JSON.

    Times are in UTC, as in `2026-05-01T09:30:00.12Z`. The fraction is present only where the time has one.
    """
    try:
        return orjson.dumps(body, None, orjson.OPT_UTC_Z)
    except TypeError:  # a vendor's metadata holds an integer beyond 64 bits, or too many levels
        return encode_json(body)
