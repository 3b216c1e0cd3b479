"""Text without secrets, for the log: those that the configuration names, and what looks like a credential."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tracegraph.secrets import known_secrets

_HIDDEN = "[redacted]"
_SHORT = 100
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), _HIDDEN),  # a JSON Web Token
    (re.compile(r"\btg_[\w-]{20,}"), _HIDDEN),  # a key of this gateway
    (
        re.compile(
            r"(authorization|cookie|api[_-]?key|access[_-]?token|secret|password)"
            r"""(\\?["']?\s*[:=,]\s*(?:b(?=["']))?\\?["']?)(?:(?:bearer|basic|token)\s+)?[^\s"'\\,;&)}\]]{4,}""",
            re.IGNORECASE,
        ),
        rf"\1\2{_HIDDEN}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (re.compile(r"(://)[^/\s:@]*:[^/\s@]+@"), rf"\1{_HIDDEN}@"),
)


def redacted(text: str) -> str:
    """The text with secrets hidden; what stands around them stays readable."""
    for secret in known_secrets():
        text = text.replace(secret, _HIDDEN)
    return _short_without_shapes(text) if len(text) <= _SHORT else _without_shapes(text)


def _without_shapes(text: str) -> str:
    for shape, shown in _SHAPES:
        text = shape.sub(shown, text)
    return text


_short_without_shapes = lru_cache(maxsize=1000)(_without_shapes)  # a line's words are mostly those of earlier ones


def without_secrets(_: Any, __: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """A structlog processor: hides secrets in every text of an event, a formatted exception among them."""
    return {name: _redacted(value) for name, value in event.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {name: _redacted(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(one) for one in value]
    return value if isinstance(value, int | float | None) else redacted(str(value))
