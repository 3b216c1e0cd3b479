"""Global IDs: base64 of `Type:part:part`, each part percent-encoded. Parts are data that a client may make up."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

from tracegraph.domain.models import SessionRef
from tracegraph.errors import InvalidId

_PARTS = {
    "CaseComparison": range(9, 46, 2),  # 2 to 20 experiments of two parts each, and five parts for the case
    "Experiment": (2,),
    "Session": (3,),
    "Source": (1,),
}


_MOST_KEPT = 10_000


_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


@dataclass(frozen=True, slots=True)
class GlobalId:
    """A type's name and what identifies one object of it: the source's name first."""

    type_name: str
    parts: tuple[str, ...]

    @property
    def source(self) -> str:
        """The configured source's name."""
        return self.parts[0]


@lru_cache(_MOST_KEPT)
def encode_id(type_name: str, *parts: str) -> str:
    """The opaque form of an ID; the same things are shown again and again."""
    text = ":".join([type_name, *map(_quoted, parts)])
    return base64.b64encode(text.encode()).decode()


def _quoted(part: str) -> str:
    return part if _NEEDS_NO_QUOTES(part) else quote(part, safe="")


def experiment_id(source: str, ref: str) -> str:
    """An experiment's ID."""
    return encode_id("Experiment", source, ref)


def session_id(source: str, ref: SessionRef) -> str:
    """A session's ID."""
    return encode_id("Session", source, ref.experiment_ref, ref.session_id)


def source_id(name: str) -> str:
    """A source's ID."""
    return encode_id("Source", name)


def decode_id(text: str, *allowed: str) -> GlobalId:
    """What an ID names. Raises InvalidId when it is not of this gateway, or not of an allowed type."""
    try:
        padded = text + "=" * (-len(text) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_" if "-" in text or "_" in text else None, validate=True)
        type_name, *parts = decoded.decode("utf-8").split(":")
        identity = GlobalId(type_name, tuple(unquote(part, errors="strict") for part in parts))
    except (binascii.Error, ValueError):
        raise InvalidId("That is not an ID of this gateway.") from None
    if len(identity.parts) not in _PARTS.get(identity.type_name, ()):
        raise InvalidId("That is not an ID of this gateway.")
    if allowed and identity.type_name not in allowed:
        raise InvalidId(f"That ID names a {identity.type_name}; here only {' or '.join(allowed)} will do.")
    return identity
