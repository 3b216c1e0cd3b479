"""Secrets by reference: `env:NAME` or `file:PATH` in the configuration, the value only in memory."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr

_SHORTEST = 6
"""What is shorter is no secret worth the name, and would be found in half of all words."""


_LONGEST = 64 * 1024
"""Characters of a file with a secret; what is more is another file."""


_SCHEME = re.compile(r"(bearer|basic)\s", re.IGNORECASE)
"""What stands before a credential in a header, and is copied with it."""


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
    kind, _, name = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    if kind == "env" and name:
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set: export it with the secret")
        value = os.environ[name].strip()
    elif kind == "file" and name:
        value = _read(Path(name))
    else:
        raise ValueError('a secret is written as "env:NAME" or "file:PATH", never as itself')
    if not value:
        raise ValueError(f"there is nothing in {reference}, or only blanks: put the secret there")
    if value[0] in "\"'`" or value[-1] in "\"'`":
        raise ValueError(f"the secret in {reference} stands in quotes, which would be sent with it: remove them")
    if _SCHEME.match(value):
        raise ValueError(f"the secret in {reference} begins with a scheme, which is sent anyway: leave it out")
    if not value.isascii() or not value.isprintable():
        raise ValueError(f"the secret in {reference} holds characters that no HTTP header may hold: write it anew")
    return SecretStr(value)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_LONGEST + 1)
    except (OSError, ValueError):  # a UnicodeDecodeError is one
        raise ValueError(f"the file {path} cannot be read as text: create it with the secret") from None
    if len(text) > _LONGEST:
        raise ValueError(f"the file {path} holds more than {_LONGEST} characters: it must hold the secret alone")
    return text.strip()


SecretRef = Annotated[SecretStr, BeforeValidator(resolve)]
"""A pydantic field type: takes the reference, holds the secret."""
