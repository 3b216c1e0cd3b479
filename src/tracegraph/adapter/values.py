"""Values that several vendors write in the same way: words of spans, JSON in texts, credentials, commits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
from pydantic import SecretStr

from tracegraph.domain.models import SpanKind
from tracegraph.domain.urls import http_url

T = TypeVar("T")

_KINDS = {kind.value: kind for kind in SpanKind}
_SSH = re.compile(r"(?:ssh://)?git@([^/:]+)[/:](.+)")
_COMMIT_PATHS = {"github.com": "commit", "gitlab.com": "-/commit", "bitbucket.org": "commits"}
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def span_kind(word: str | None) -> SpanKind:
    """Return the kind that a vendor names by our word in any case, such as OpenInference's; else UNKNOWN."""
    return _KINDS.get((word or "").upper(), SpanKind.UNKNOWN)


def json_object(text: Any) -> dict[str, Any] | None:
    """Return the JSON object of a text or of a reply's body, None for any other value."""
    if not isinstance(text, str | bytes):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def total_or_sum(total: int | None, first: int | None, second: int | None) -> int | None:
    """Return the stated total. Without one, return the sum of the known counts, None if both are unknown."""
    if total is not None or (first is None and second is None):
        return total
    return (first or 0) + (second or 0)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in parts of at most this size, for calls with that many ids each."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def bearer(token: SecretStr | None) -> SecretStr | None:
    """Return the header `Authorization` for a token, None without one."""
    return None if token is None else SecretStr(f"Bearer {token.get_secret_value()}")


def commit_url(remote: Any, commit: Any) -> str | None:
    """Return the page of a commit. Without a commit, or on a host without a known rule, that of the repository.

    Args:
        remote: The address of a git remote, by http or ssh.
        commit: The hexadecimal digits of the commit.
    """
    if not isinstance(remote, str):
        return None
    ssh = _SSH.fullmatch(remote)
    address = http_url((f"https://{ssh[1]}/{ssh[2]}" if ssh else remote).removesuffix("/").removesuffix(".git"))
    path = _COMMIT_PATHS.get(urlsplit(address).hostname or "") if address else None
    if path is None or not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        return address
    return http_url(f"{address}/{path}/{commit}")
