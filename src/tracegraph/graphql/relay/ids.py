"""Global IDs: base64 of `Type:part:part`, each part percent-encoded. Clients can forge IDs."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from tracegraph.domain.models import SessionRef, SpanRef
from tracegraph.domain.texts import percent_encoded
from tracegraph.errors import InvalidId

_PARTS = {
    "CaseComparison": range(9, 46, 2),  # 2 to 20 experiments of two parts each, and five parts for the case
    "Experiment": (2,),
    "Session": (3,),
    "Source": (1,),
    "Span": (4,),
}


_MAX_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class GlobalId:
    """A type name and the parts that identify one object of the type; the first part is the source's name."""

    type_name: str
    parts: tuple[str, ...]

    @property
    def source(self) -> str:
        """The name of the source."""
        return self.parts[0]


@lru_cache(_MAX_CACHED)
def encode_id(type_name: str, *parts: str) -> str:
    """Return the global ID of an object, cached: lists repeat the same IDs."""
    text = ":".join([type_name, *map(percent_encoded, parts)])
    return base64.b64encode(text.encode()).decode()


def experiment_id(source: str, ref: str) -> str:
    """Return the ID of an experiment."""
    return encode_id("Experiment", source, ref)


def session_id(source: str, ref: SessionRef) -> str:
    """Return the ID of a session."""
    return encode_id("Session", source, ref.experiment_ref, ref.session_id)


def span_id(source: str, ref: SpanRef) -> str:
    """Return the ID of a span."""
    return encode_id("Span", source, ref.session.experiment_ref, ref.session.session_id, ref.span_id)


def source_id(name: str) -> str:
    """Return the ID of a source."""
    return encode_id("Source", name)


def decode_id(text: str, *allowed: str) -> GlobalId:
    """Return the parts of an ID.

    Raises:
        InvalidId: When the ID is malformed or of a type that is not allowed.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_" if "-" in text or "_" in text else None, validate=True)
        type_name, *parts = decoded.decode("utf-8").split(":")
        identity = GlobalId(type_name, tuple(unquote(part, errors="strict") for part in parts))
    except (binascii.Error, ValueError):
        raise InvalidId("This is not an ID of this gateway.") from None
    if len(identity.parts) not in _PARTS.get(identity.type_name, ()):
        raise InvalidId("This is not an ID of this gateway.")
    if allowed and identity.type_name not in allowed:
        raise InvalidId(f"This ID has type {identity.type_name}: use an ID of type {' or '.join(allowed)}.")
    return identity
