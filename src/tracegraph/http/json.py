"""Answers to equal queries: one for all who ask at one moment, kept while it would come out the same.

    refused?       it would be again, whoever asks: the same refusal
    kept?          an answer made of pages that are all in the cache still, the same ones and fresh -> that
    under way?     the same query, for somebody who sees the same -> what it gives
    else           run it; without a failure its bytes are kept, beside the pages and within their bounds

So a kept answer is never older than the pages that the cache would have given: the cache's rules are its rules.
A query for figures of this very request (`upstreamRequests`, `durationMs`, `health`) is run for each who asks.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from tracegraph.upstream.lenient_values import encode_json


def to_json(body: Mapping[str, object]) -> bytes:
    """A response's bytes. Times come in UTC: `2026-05-01T09:30:00.12Z`, the fraction only where there is one."""
    try:
        return orjson.dumps(body, None, orjson.OPT_UTC_Z)
    except TypeError:  # an integer beyond 64 bits in a vendor's metadata, or too many levels
        return encode_json(body)
