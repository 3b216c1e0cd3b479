"""The callers' own keys of vendors: ambient from the door to the call, like the deadline.

A source that passes keys through is configured without one. Its adapter is opened with a stand-in and builds its
headers with that; for each call the stand-in is replaced by the key of whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from pydantic import SecretStr

STAND_IN = SecretStr("{the key of whoever asks}")
"""What the adapter gets as its `api_key`."""

_NO_KEYS: Mapping[str, SecretStr] = {}
_keys: ContextVar[Mapping[str, SecretStr]] = ContextVar("tracegraph_callers_keys", default=_NO_KEYS)


@contextmanager
def callers_keys(by_source: Mapping[str, SecretStr]) -> Iterator[None]:
    """Calls within, tasks included, are made with these keys where their source passes keys through."""
    token = _keys.set(by_source)
    try:
        yield
    finally:
        _keys.reset(token)


def callers_key(source: str) -> SecretStr | None:
    """The key of whoever asks now for that source."""
    return _keys.get().get(source)


def with_key(headers: Mapping[str, SecretStr], key: SecretStr) -> dict[str, SecretStr | None]:
    """The headers with the key in the place of the stand-in."""
    stand_in, real = STAND_IN.get_secret_value(), key.get_secret_value()
    return {name: SecretStr(value.get_secret_value().replace(stand_in, real)) for name, value in headers.items()}
