"""Redaction of logs: secrets of the configuration, and text with the form of a credential."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tracegraph.domain.secrets import resolved_secrets

_MASK = "[redacted]"


MAX_CACHED_LENGTH = 100
"""The length up to which redacted text is cached."""


_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), _MASK),  # a JSON Web Token
    (re.compile(r"\btg_[\w-]{20,}"), _MASK),  # a key of this gateway
    (
        re.compile(
            r"(authorization|cookie|api[_-]?key|access[_-]?token|secret|password)"
            # A comma separates only quoted names and values: "the keys are: api_key, workspace" has no secret.
            r"""(\\?["']?\s*[:=]\s*|\\?["']\s*,\s*)((?:b(?=["']))?\\?["']?)(?!env:|file:)"""
            r"""(?:(?:bearer|basic|token)\s+)?[^\s"'\\,;&)}\]]{4,}""",
            re.IGNORECASE,
        ),
        rf"\1\2\3{_MASK}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {_MASK}"),
)


_SLASHES = r"((?:\\?/|%2f){2})"
"""The slashes before an authority: plain, escaped in JSON, or percent-encoded."""


_PORT = r"(?!\d{1,5}(?:[^\w.@-]|$))"


_LOCATOR = re.compile(_SLASHES + r"""([^\s"'<>]+)""", re.IGNORECASE)


_PASSWORD = re.compile(r"[^:\[]*(?::|%3a)" + _PORT + ".", re.IGNORECASE)


_AUTHORITY_END = re.compile(r"[/?#\\]|%2f|%3f|%23", re.IGNORECASE)


_BROKEN_LOCATOR = re.compile(_SLASHES + rf"""[^\s/?#@:"'<>\[\]]*:{_PORT}[^@]{{1,200}}@""", re.IGNORECASE)
"""A URL whose password contains a space, a newline or a quote, which no valid URL does."""


_BARE_USERINFO = re.compile(rf"""(?<![\w.+%~/@-])[\w.+%~-]+:(?!\\?/|%2f){_PORT}[^\s"'<>]{{1,200}}@(?=[\w\[])""")


def redact(text: str) -> str:
    """Return the text with its secrets replaced. The text around a secret stays readable."""
    for secret in resolved_secrets():
        text = text.replace(secret, _MASK)
    return _cached_redact_patterns(text) if len(text) <= MAX_CACHED_LENGTH else _redact_patterns(text)


def _redact_patterns(text: str) -> str:
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _redact_userinfo(text) if "@" in text or "%40" in text else text


def _redact_userinfo(text: str) -> str:
    """Return the text without user and password in URLs, also in `user:password@host` without a scheme."""
    text = _LOCATOR.sub(_redact_locator, text)
    text = _BROKEN_LOCATOR.sub(rf"\1{_MASK}@", text)
    return _BARE_USERINFO.sub(f"{_MASK}@", text)


def _redact_locator(locator: re.Match[str]) -> str:
    """Return the URL without everything up to its last @, since a password may contain @ and /."""
    slashes, rest = locator.groups()
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    has_password = "@" in authority or "%40" in authority or _PASSWORD.match(authority)
    end = max(rest.rfind("@"), rest.rfind("%40")) if has_password else -1
    return f"{slashes}{_MASK}{rest[end:]}" if end >= 0 else locator[0]


_cached_redact_patterns = lru_cache(maxsize=1000)(_redact_patterns)  # most words of a log line repeat earlier ones


def redact_event(_: Any, __: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Redact every text of an event, including a formatted exception. This function is a structlog processor."""
    return {name: _redact_value(value) for name, value in event.items()}


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: _redact_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(item) for item in value]
    return value if isinstance(value, int | float | None) else redact(str(value))
