"""Text without secrets, for the log: those that the configuration names, and what looks like a credential."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tracegraph.domain.secrets import resolved_secrets

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
)


_SLASHES = r"((?:\\?/|%2f){2})"
"""Before an authority, as they are, as JSON may escape them, or percent-encoded."""


_PORT = r"(?!\d{1,5}(?:[^\w.@-]|$))"


_LOCATOR = re.compile(_SLASHES + r"""([^\s"'<>]+)""", re.IGNORECASE)


_PASSWORD = re.compile(r"[^:\[]*(?::|%3a)" + _PORT + ".", re.IGNORECASE)


_AUTHORITY_END = re.compile(r"[/?#\\]|%2f|%3f|%23", re.IGNORECASE)


_BROKEN_LOCATOR = re.compile(_SLASHES + rf"""[^\s/?#@:"'<>\[\]]*:{_PORT}[^@]{{1,200}}@""", re.IGNORECASE)
"""A password with a space, a line's end or a quote in it, which no URL may have."""


_BARE_USERINFO = re.compile(rf"""(?<![\w.+%~/@-])[\w.+%~-]+:(?!\\?/|%2f){_PORT}[^\s"'<>]{{1,200}}@(?=[\w\[])""")


def redacted(text: str) -> str:
    """The text with secrets hidden; what stands around them stays readable."""
    for secret in resolved_secrets():
        text = text.replace(secret, _HIDDEN)
    return _short_without_shapes(text) if len(text) <= _SHORT else _without_shapes(text)


def _without_shapes(text: str) -> str:
    for shape, shown in _SHAPES:
        text = shape.sub(shown, text)
    return _without_userinfo(text) if "@" in text or "%40" in text else text


def _without_userinfo(text: str) -> str:
    """The text without what stands before the host in URLs, and in `user:password@host` without a scheme."""
    text = _LOCATOR.sub(_without_userinfo_of, text)
    text = _BROKEN_LOCATOR.sub(rf"\1{_HIDDEN}@", text)
    return _BARE_USERINFO.sub(f"{_HIDDEN}@", text)


def _without_userinfo_of(locator: re.Match[str]) -> str:
    """A password may hold @ and /, so a URL with one is hidden up to its last @."""
    slashes, rest = locator.groups()
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    has_password = "@" in authority or "%40" in authority or _PASSWORD.match(authority)
    end = max(rest.rfind("@"), rest.rfind("%40")) if has_password else -1
    return f"{slashes}{_HIDDEN}{rest[end:]}" if end >= 0 else locator[0]


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
