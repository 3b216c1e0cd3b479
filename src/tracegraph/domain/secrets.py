"""Secrets by reference: the configuration holds `env:NAME` or `file:PATH`; the value is only in memory."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr

_MIN_LENGTH = 6
"""A shorter value is hardly a secret, and redaction would find it within ordinary words."""


_MAX_LENGTH = 64 * 1024
"""The character limit of a secret's file: a longer file is the wrong file."""


_SCHEME = re.compile(r"(bearer|basic)\s", re.IGNORECASE)
"""The scheme before a credential in a header, often copied with it."""


_resolved: set[str] = set()


_files: dict[str, str] = {}
"""The reference of every secret that came from a file, by its value."""


def resolved_secrets() -> frozenset[str]:
    """Return every secret that this process has resolved, for redaction of the logs."""
    return frozenset(_resolved)


def resolve(reference: Any) -> SecretStr:
    """Return the secret that a reference names.

    Raises:
        ValueError: With a remedy, and without the value.
    """
    secret = reference if isinstance(reference, SecretStr) else _read_reference(reference)
    if len(secret.get_secret_value()) >= _MIN_LENGTH:
        _resolved.add(secret.get_secret_value())
    if isinstance(reference, str) and reference.startswith("file:"):
        _files[secret.get_secret_value()] = reference
    return secret


def read_anew(header: SecretStr) -> SecretStr | None:
    """Return a header's value with the secret that its file holds now, or None if there is no other secret.

    Args:
        header: A secret from a file, which may follow a scheme and a space.
    """
    scheme, space, value = header.get_secret_value().rpartition(" ")
    reference = _files.get(value)
    try:
        secret = None if reference is None else resolve(reference).get_secret_value()
    except ValueError:  # the file is being replaced
        return None
    return None if secret in {None, value} else SecretStr(f"{scheme}{space}{secret}")


def _read_reference(reference: Any) -> SecretStr:
    kind, _, name = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    if kind == "env" and name:
        if name not in os.environ:
            raise ValueError(f"the environment variable {name} is not set: export it with the secret as its value")
        value = os.environ[name].strip()
    elif kind == "file" and name:
        value = _read(Path(name))
    else:
        raise ValueError('a secret must be a reference, "env:NAME" or "file:PATH", never the secret itself')
    if not value:
        raise ValueError(f"{reference} is empty or blank: store the secret there")
    if value[0] in "\"'`" or value[-1] in "\"'`":
        raise ValueError(f"the secret in {reference} has quotes, which would be sent with it: remove them")
    if _SCHEME.match(value):
        raise ValueError(
            f"the secret in {reference} begins with a scheme, which the gateway adds itself: remove the scheme"
        )
    if not value.isascii() or not value.isprintable():
        raise ValueError(
            f"the secret in {reference} holds characters that an HTTP header may not hold: replace the secret"
        )
    return SecretStr(value)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_MAX_LENGTH + 1)
    except (OSError, ValueError):  # includes UnicodeDecodeError
        raise ValueError(
            f"the file {path} cannot be read as text: create it with the secret as its content"
        ) from None
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"the file {path} holds more than {_MAX_LENGTH} characters: it must hold only the secret")
    return text.strip()


SecretRef = Annotated[SecretStr, BeforeValidator(resolve)]
"""A pydantic field type: it accepts the reference and holds the secret."""
