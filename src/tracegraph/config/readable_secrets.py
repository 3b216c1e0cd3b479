"""Warnings about files of secrets that every user of the machine can read."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_REFERENCE = "file:"


_PUBLIC = {"jwks", "trusted"}
"""Keys whose files are no secrets: an identity provider's public keys, and documents."""


def readable_by_everyone(tables: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each file of a secret that other users of the machine can read."""
    return [
        f"{key} is in {file}, which every user of this machine can read: chmod 600 {file}."
        for key, file in _files(tables, ())
        if _is_readable_by_others(file)
    ]


def _files(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _files(value, (*path, key))
        elif isinstance(value, str) and key == "client_key":
            yield ".".join((*path, key)), Path(value)
        elif isinstance(value, str) and value.startswith(_REFERENCE) and key not in _PUBLIC:
            yield ".".join((*path, key)), Path(value.removeprefix(_REFERENCE))


def _is_readable_by_others(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):  # another check reports it
        return False
