"""Secrets by reference: `env:NAME` or `file:PATH` in the configuration, the value only in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr

_SHORTEST = 6
"""What is shorter is no secret worth the name, and would be found in half of all words."""
_known: set[str] = set()


def known_secrets() -> frozenset[str]:
    """Every secret that was resolved in this process, for the log to hide."""
    return frozenset(_known)


def resolve(reference: Any) -> SecretStr:
    """The secret that a reference names. Raises ValueError with a remedy, never with the value."""
    secret = reference if isinstance(reference, SecretStr) else _named(reference)
    if len(secret.get_secret_value()) >= _SHORTEST:
        _known.add(secret.get_secret_value())
    return secret


def _named(reference: Any) -> SecretStr:
    kind, _, name = str(reference).partition(":")
    if kind == "env" and name:
        value = os.environ.get(name, "")
        if not value:
            raise ValueError(f"the environment variable {name} is not set: export it with the secret")
    elif kind == "file" and name:
        value = _read(Path(name))
    else:
        raise ValueError('a secret is written as "env:NAME" or "file:PATH", never as itself')
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"the secret in {reference} holds characters that no HTTP header may hold")
    return SecretStr(value)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"the file {path} cannot be read as text: create it with the secret") from None


SecretRef = Annotated[SecretStr, BeforeValidator(resolve)]
"""A pydantic field type: takes the reference, holds the secret."""
