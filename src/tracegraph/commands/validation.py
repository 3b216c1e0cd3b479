"""Checks of a configuration that need no network call, made before anything starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tracegraph.config.loader import Loaded
from tracegraph.config.settings import Settings
from tracegraph.errors import ConfigurationError
from tracegraph.http.auth.jwks import read_keys
from tracegraph.http.persisted_queries import read_documents
from tracegraph.observability.tracing import open_tracing
from tracegraph.sources import open_sources

_FILE = "file:"
_MIB = 1024 * 1024


async def validate(loaded: Loaded) -> None:
    """Open everything that the gateway opens, and close it. Raise ConfigurationError with one sentence."""
    settings, origin = loaded.settings, loaded.origin
    try:
        validate_before_opening(loaded)
        read_documents(settings.documents, origin)
        async with open_tracing(settings.tracing), open_sources(settings, origin):
            pass
    except ConfigurationError as error:
        raise ConfigurationError(loaded.with_variable(error.message)) from None


def validate_before_opening(loaded: Loaded) -> None:
    """Check the settings that opening the application does not check. Raise ConfigurationError."""
    settings, origin = loaded.settings, loaded.origin
    _check_sizes(settings, origin)
    _check_rates_have_auth(settings, origin)
    _check_key_file(settings, origin)


def _check_sizes(settings: Settings, origin: str) -> None:
    memory = machine_bytes()
    for key, size in _sizes(settings):
        if memory is not None and size >= memory:
            raise ConfigurationError(
                f"{origin}: {key} cannot be used: it is more than the memory of this machine, "
                f"{memory // _MIB} MiB: lower it."
            )


def _sizes(settings: Settings) -> Iterator[tuple[str, int]]:
    """Yield the settings that are sizes, in bytes."""
    yield "cache.max_mb", settings.cache.max_mb * _MIB
    yield "documents.automatic_mb", settings.documents.automatic_mb * _MIB
    yield "limits.max_body_bytes", settings.limits.max_body_bytes
    for name, table in settings.sources.items():
        yield f"sources.{name}.max_response_bytes", table.max_response_bytes


def machine_bytes() -> int | None:
    """Return the memory of this machine, or of its container; None where it is unknown."""
    sizes: list[int] = []
    with suppress(AttributeError, OSError, ValueError):  # not every system has these names
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):  # no container, or no memory limit
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min((size for size in sizes if size > 0), default=None)


def _check_rates_have_auth(settings: Settings, origin: str) -> None:
    auth = settings.auth
    for key in ("requests_per_minute", "cost_per_minute"):
        if not auth.is_on and getattr(auth, key) is not None:
            raise ConfigurationError(
                f"{origin}: auth.{key} cannot be used: without [auth.keys] or [auth.jwt] clients are "
                "anonymous, and one client could use up the rate of all: run `tracegraph key new`, or remove it."
            )


def _check_key_file(settings: Settings, origin: str) -> None:
    jwt = settings.auth.jwt
    if jwt is None or not jwt.jwks.startswith(_FILE):
        return
    path = Path(jwt.jwks.removeprefix(_FILE))
    try:
        keys = read_keys(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can have such a name"
        raise ConfigurationError(
            f"{origin}: auth.jwt.jwks cannot be used: {path}: {reason}: name the file with the provider's keys."
        ) from None
    if not keys:
        raise ConfigurationError(
            f"{origin}: auth.jwt.jwks cannot be used: {path} holds no usable public key: it must be a JWK set, "
            'JSON with a list under "keys".'
        )
