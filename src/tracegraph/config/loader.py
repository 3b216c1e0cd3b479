"""Load the settings from `tracegraph.toml` and the environment, each with its origin."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from tracegraph.config.environment import VariableValues, annotation_at, from_environment, ignored_variables
from tracegraph.config.messages import dotted, first_error, path_of, sentence_of
from tracegraph.config.proxies import proxy_of_environment
from tracegraph.config.readable_secrets import readable_by_everyone
from tracegraph.config.settings import Settings
from tracegraph.config.urls import is_loopback
from tracegraph.domain.texts import folded
from tracegraph.errors import ConfigurationError

DEFAULT_FILE = Path("tracegraph.toml")
_REFERENCE_PREFIX = "file:"
_FILE_KEYS = ("ca_file", "client_certificate", "client_key")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, the name of their file for messages, and the origin of each value.

    `variables` maps the path of a setting to its environment variable; `in_file` holds the paths that the file
    sets. `tables` are the values before their validation. `warnings` are sentences on settings without effect.
    """

    settings: Settings
    origin: str
    variables: Mapping[tuple[str, ...], str]
    in_file: frozenset[tuple[str, ...]]
    tables: Mapping[str, Any]
    warnings: Sequence[str]

    def configured_value(self, path: Sequence[str]) -> Any:
        """Return the value at that path before its validation, None for a setting that is not set.

        A secret is its reference.
        """
        node: Any = self.tables
        for key in path:
            node = node.get(key) if isinstance(node, Mapping) else None
        return node

    def with_variable(self, message: str) -> str:
        """Return the message, with the environment variable behind the key that the message names."""
        for path, variable in sorted(self.variables.items(), key=lambda item: -len(item[0])):
            key = re.compile(rf"(?<=: ){re.escape(dotted(path))}(?= )")
            if key.search(message) and variable not in message:
                return key.sub(rf"\g<0> (set by {variable})", message, count=1)
        return message


def load_settings(file: Path | None = None) -> Settings:
    """Return the settings from a file and the environment; see `load`."""
    return load(file).settings


def logs_json(file: Path | None = None) -> bool:
    """Return whether a configuration sets `[log] format` to json, also an invalid one, whose error is logged."""
    of_environment = os.environ.get("TRACEGRAPH_LOG__FORMAT")
    if of_environment:
        return of_environment == "json"
    path = file or Path(os.environ.get("TRACEGRAPH_CONFIG") or DEFAULT_FILE)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("log")
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(table, dict) and table.get("format") == "json"


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """Load the configuration from a file and the environment, which overrides the file.

    Paths in the file are relative to its folder.

    Args:
        file: The file. By default it is the one of TRACEGRAPH_CONFIG, else `tracegraph.toml` if it exists.
        environment: The environment variables, by default those of the process.

    Raises:
        ConfigurationError: With one sentence: the file, the key and the remedy.
    """
    variables = os.environ if environment is None else environment
    named = file or (Path(value) if (value := variables.get("TRACEGRAPH_CONFIG")) else None)
    path = named or DEFAULT_FILE
    try:
        return _loaded(path, variables, is_named=named is not None)
    except RecursionError:
        raise ConfigurationError(f"{path}: lists or tables are nested too deeply: flatten them.") from None


def _loaded(path: Path, variables: Mapping[str, str], *, is_named: bool) -> Loaded:
    tables = _read(path) if is_named or path.exists() else {}
    _anchor_paths(tables, path.parent.absolute())
    in_file = frozenset(_leaves(tables))
    from_variables = from_environment(variables, Settings, tables, str(path))
    merged = _merged(tables, from_variables)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise ConfigurationError(_message(str(path), error, merged, from_variables)) from None
    if not settings.sources:
        raise ConfigurationError(
            f"{path}: no source is configured: add a table such as [sources.nemo] with vendor and base_url, "
            "or try `tracegraph demo`."
        )
    origins = {keys: variable for keys, (_, variable) in from_variables.items()}
    warnings = [*_ignored(variables), *_unused_proxies(settings), *readable_by_everyone(merged)]
    return Loaded(settings, str(path), origins, in_file, merged, warnings)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: the file does not exist: create it, or pass another one with --config."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: the file is not UTF-8 text: save it as UTF-8.") from None
    except (OSError, ValueError):
        raise ConfigurationError(f"{path}: the file cannot be read: check its path and permissions.") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path}: this is not TOML, or a key is set twice: {folded(str(error))}."
        ) from None
    except ValueError:
        raise ConfigurationError(f"{path}: a number has too many digits: use a smaller number.") from None


def _anchor_paths(tables: dict[str, Any], folder: Path) -> None:
    """Make the file's paths relative to its folder instead of the working directory."""
    _anchor_references(tables, folder)
    documents = tables.get("documents")
    if isinstance(documents, dict) and isinstance(documents.get("trusted"), str) and documents["trusted"]:
        documents["trusted"] = _anchored(documents["trusted"], folder)
    sources = tables.get("sources")
    for table in sources.values() if isinstance(sources, dict) else ():
        for key in _FILE_KEYS if isinstance(table, dict) else ():
            if isinstance(table.get(key), str) and table[key]:
                table[key] = _anchored(table[key], folder)


def _anchor_references(table: dict[str, Any], folder: Path) -> None:
    """Make the paths of secrets and documents by reference, `file:PATH`, relative to the folder."""
    for key, value in table.items():
        if isinstance(value, dict):
            _anchor_references(value, folder)
        elif isinstance(value, str) and value.startswith(_REFERENCE_PREFIX) and value != _REFERENCE_PREFIX:
            table[key] = _REFERENCE_PREFIX + _anchored(value.removeprefix(_REFERENCE_PREFIX), folder)


def _anchored(path: str, folder: Path) -> str:
    try:
        return str(folder / Path(path).expanduser())
    except RuntimeError:  # there is no home directory
        return path


def _merged(file: Mapping[str, Any], from_variables: VariableValues) -> dict[str, Any]:
    """Return the file's tables with the values of the environment in them."""
    tables = deepcopy(dict(file))
    for path, (value, _) in from_variables.items():
        node = tables
        for key in path[:-1]:
            if not isinstance(node.get(key), dict):
                node[key] = {}
            node = node[key]
        node[path[-1]] = value
    return tables


def _leaves(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _message(
    origin: str, error: ValidationError, tables: Mapping[str, Any], from_variables: VariableValues
) -> str:
    first = first_error(error)
    path = path_of(first, tables)
    variables = {variable for keys, (_, variable) in from_variables.items() if path and keys[: len(path)] == path}
    key = dotted(path) + (f" (set by {', '.join(sorted(variables))})" if variables else "")
    if first["type"] == "extra_forbidden":
        keys = ", ".join(_keys_at(path[:-1]))
        return f"{origin}: {key} is not a setting; {_heading(path[:-1])} takes: {keys}."
    if first["type"] == "missing":
        return f"{origin}: {key} is missing: add it."
    sentence = sentence_of(first)
    return f"{origin}: {key} cannot be used: {sentence}." if key else f"{origin}: {sentence}."


def _heading(path: Sequence[str]) -> str:
    return f"[{dotted(path)}]" if path else "the configuration"


def _keys_at(path: Sequence[str]) -> Sequence[str]:
    annotation = annotation_at(Settings, path)
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return ["nothing"]


def _ignored(variables: Mapping[str, str]) -> list[str]:
    return [
        f"The variable {variable} is ignored: two underscores separate levels, as in {meant}."
        for variable, meant in ignored_variables(variables, Settings)
    ]


def _unused_proxies(settings: Settings) -> list[str]:
    """Return a sentence for each proxy variable that would apply to sources which do not trust the environment."""
    by_variable: dict[str, list[str]] = {}
    for name, table in settings.sources.items():
        found = proxy_of_environment(table.base_url)
        is_local = is_loopback(urlsplit(table.base_url).hostname or "")
        if found is not None and table.effective_proxy() is None and not is_local:
            by_variable.setdefault(found.variable, []).append(name)
    return [
        f"{variable} is set, but Tracegraph uses no proxy: it calls {', '.join(names)} directly. Set "
        "trust_env = true for a source to use the proxy, or add the hosts to NO_PROXY to silence this warning."
        for variable, names in by_variable.items()
    ]
