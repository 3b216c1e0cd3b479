"""`tracegraph config show`: print the effective settings as TOML, each with its origin, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from tracegraph.adapter.registry import AdapterPackage
from tracegraph.config.loader import Loaded
from tracegraph.config.sources import SourceTable
from tracegraph.sources import base_url_of, package_of

Path = tuple[str, ...]
_NO_NOTES: Mapping[str, str] = {}
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PROXY_SCHEMES = ("http://", "https://")  # a proxy by its URL has no password, see `read_proxy`
_SECRET_NAME = re.compile(r"key|token|secret|password", re.IGNORECASE)


def summary(loaded: Loaded) -> str:
    """Return one sentence on a valid configuration."""
    settings = loaded.settings
    auth = settings.auth
    keys, sources = _counted(len(auth.keys), "API key"), _counted(len(settings.sources), "source")
    clients = f"{keys}{' and tokens' if auth.jwt else ''}" if auth.is_on else "no authentication"
    return f"{loaded.origin}: the configuration can be used: {sources}, {clients}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def effective(loaded: Loaded) -> str:
    """Return the settings as TOML that loads to the same settings.

    A comment after each value names its origin: the file, the environment variable or "default". A secret is
    printed as its reference. Raises ConfigurationError for a source without an adapter.
    """
    writer = _TomlWriter(loaded)
    lines: list[str] = []
    for name in type(loaded.settings).model_fields:
        value = getattr(loaded.settings, name)
        if name == "sources":
            for source, table in value.items():
                lines += writer.source(source, table)
        else:
            lines += writer.table((name,), dict(_fields(value)))
    return "\n".join(lines).strip() + "\n"


class _TomlWriter:
    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def table(self, path: Path, values: Mapping[str, Any], notes: Mapping[str, str] = _NO_NOTES) -> Iterator[str]:
        """Yield a heading, the values, then the nested tables."""
        inner = {key: value for key, value in values.items() if isinstance(value, BaseModel | dict)}
        yield f"\n[{'.'.join(_key(part) for part in path)}]"
        for key, value in values.items():
            if key not in inner:
                yield self._line((*path, key), value, notes.get(key))
        for key, value in inner.items():
            below = dict(_fields(value)) if isinstance(value, BaseModel) else value
            if below:
                yield from self.table((*path, key), below)

    def source(self, name: str, table: SourceTable) -> Iterator[str]:
        """Yield a source's table, with the values that its adapter derives."""
        package = package_of(name, table.vendor, self._loaded.origin)
        values = dict(_fields(table)) | _options(table, package)
        base_url = base_url_of(name, table, package, self._loaded.origin)
        notes = {"base_url": "as its adapter uses it"} if base_url != table.base_url.rstrip("/") else {}
        values["base_url"] = base_url
        if table.timeout_s is None:
            values["timeout_s"] = table.timeout_within(self._loaded.settings.limits.deadline_s)
            notes["timeout_s"] = "the lesser of 4 and 0.4 of limits.deadline_s"
        yield from self.table(("sources", name), values, notes)

    def _line(self, path: Path, value: Any, note: str | None) -> str:
        origin = self._origin(path)
        if value is None:
            return f"# {_key(path[-1])} is not set"
        text = _literal(value)
        configured = self._loaded.configured_value(path)
        if isinstance(value, SecretStr) or (_SECRET_NAME.search(path[-1]) and isinstance(configured, str)):
            readable = ("env:", "file:", *_PROXY_SCHEMES) if path[-1] == "proxy" else ("env:", "file:")
            is_readable = isinstance(configured, str) and configured.startswith(readable)
            text = _literal(configured if is_readable else "[secret]")
        return f"{_key(path[-1])} = {text}  # {origin}{'' if note is None else f', {note}'}"

    def _origin(self, path: Path) -> str:
        if path in self._loaded.variables:
            return self._loaded.variables[path]
        return self._loaded.origin if path in self._loaded.in_file else "default"


def _fields(model: BaseModel) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(model, name)) for name in type(model).model_fields)


def _options(table: SourceTable, package: AdapterPackage) -> dict[str, Any]:
    """Return the adapter's own keys: the configured ones, and the others' defaults where its model is known."""
    configured = dict(table.model_extra or {})
    if package.options is None:
        return configured
    fields = package.options.model_fields
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    return {name: value for name, value in defaults.items() if value is not PydanticUndefined} | configured


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _literal(value: Any) -> str:
    """Return a value as TOML, which equals JSON for these types."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(_literal(element) for element in value)}]"
    if isinstance(value, bool | int | float | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(str(value), ensure_ascii=False)
