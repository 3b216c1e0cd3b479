"""Where one stream of a merged list resumes."""

from __future__ import annotations

from typing import NamedTuple

from tracegraph.federation.sort_key import SortKey

TOKEN_MAX = 128
"""The longest continuation token, in characters, that a cursor holds; a list with a longer one resumes by key."""


class Position(NamedTuple):
    """The resume position of a stream: after `sort_key` (None: the start).

    `hint` helps to find the place: the vendor's offset, the binary logarithm of a window's width, or, in a list of
    tokens, how many rows of the token's page are done with. `token` begins the vendor's page that the place is in.
    """

    sort_key: SortKey | None = None
    hint: int | None = None
    token: str | None = None
