"""From `tracegraph.toml` and the environment to checked settings, each with where it comes from."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin
from urllib.request import getproxies_environment, proxy_bypass

from pydantic import BaseModel, ValidationError

from tracegraph.config.environment import Given, annotation_at, from_environment, ignored_variables
from tracegraph.config.messages import dotted, first_error, path_of, sentence_of
from tracegraph.config.settings import Settings
from tracegraph.config.sources import is_loopback
from tracegraph.config.urls import read_url
from tracegraph.errors import ConfigurationError

DEFAULT_FILE = Path("tracegraph.toml")
_BY_REFERENCE = "file:"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings; the file that they come from, as messages name it; and the origin of each that was given.

    `variables` has the variable of the environment by the path of the setting, `in_file` the paths of the file.
    `tables` are the values as they were given, `warnings` sentences on what has no effect or may not be meant.
    """

    settings: Settings
    origin: str
    variables: Mapping[tuple[str, ...], str]
    in_file: frozenset[tuple[str, ...]]
    tables: Mapping[str, Any]
    warnings: Sequence[str]

    def given(self, path: Sequence[str]) -> Any:
        """The value at that path as it was given, for a secret its reference; None for one that was not."""
        here: Any = self.tables
        for key in path:
            here = here.get(key) if isinstance(here, Mapping) else None
        return here

    def with_variable(self, message: str) -> str:
        """The message, with the variable of the environment behind the key that it names."""
        for path, variable in sorted(self.variables.items(), key=lambda item: -len(item[0])):
            key = re.compile(rf"(?<=: ){re.escape(dotted(path))}(?= )")
            if key.search(message) and variable not in message:
                return key.sub(rf"\g<0> (set by {variable})", message, count=1)
        return message


def load_settings(file: Path | None = None) -> Settings:
    """The configuration from a file and the environment; see `load`."""
    return load(file).settings


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """The configuration from a file and the environment, which wins.

    The file is `file`, else the one that TRACEGRAPH_CONFIG names, else `tracegraph.toml` if it is there. Its paths
    are relative to its folder. Raises ConfigurationError with one sentence: the file, the key and the remedy.
    """
    variables = os.environ if environment is None else environment
    named = file or (Path(value) if (value := variables.get("TRACEGRAPH_CONFIG")) else None)
    path = named or DEFAULT_FILE
    try:
        return _loaded(path, variables, is_named=named is not None)
    except RecursionError:
        raise ConfigurationError(f"{path}: lists or tables stand too deep in each other: flatten them.") from None


def _loaded(path: Path, variables: Mapping[str, str], *, is_named: bool) -> Loaded:
    tables = _read(path) if is_named or path.exists() else {}
    _anchor_paths(tables, path.parent.absolute())
    in_file = frozenset(_leaves(tables))
    given = from_environment(variables, Settings, tables, str(path))
    together = _over(tables, given)
    try:
        settings = Settings.model_validate(together)
    except ValidationError as error:
        raise ConfigurationError(_complaint(str(path), error, together, given)) from None
    if not settings.sources:
        raise ConfigurationError(
            f"{path}: no source is configured: add a table such as [sources.nemo] with vendor and base_url, "
            "or try `tracegraph demo`."
        )
    origins = {keys: variable for keys, (_, variable) in given.items()}
    warnings = [*_ignored(variables), *_unused_proxies(settings)]
    return Loaded(settings, str(path), origins, in_file, together, warnings)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: there is no such file: create it, or name another with --config."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: the file is not UTF-8 text: save it as UTF-8.") from None
    except (OSError, ValueError):
        raise ConfigurationError(f"{path}: the file cannot be read: check its path and its rights.") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path}: this is not TOML, or it says a thing twice: {_one_line(error)}."
        ) from None
    except ValueError:
        raise ConfigurationError(f"{path}: a number in it has too many digits: write a smaller one.") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _anchor_paths(tables: dict[str, Any], folder: Path) -> None:
    """Make the file's paths relative to its folder, not to where the command runs."""
    _anchor_references(tables, folder)
    documents = tables.get("documents")
    if isinstance(documents, dict) and isinstance(documents.get("trusted"), str) and documents["trusted"]:
        documents["trusted"] = _anchored(documents["trusted"], folder)
    sources = tables.get("sources")
    for table in sources.values() if isinstance(sources, dict) else ():
        if isinstance(table, dict) and isinstance(table.get("ca_file"), str) and table["ca_file"]:
            table["ca_file"] = _anchored(table["ca_file"], folder)


def _anchor_references(table: dict[str, Any], folder: Path) -> None:
    """The same for secrets and documents by reference, `file:PATH`, wherever they stand."""
    for key, value in table.items():
        if isinstance(value, dict):
            _anchor_references(value, folder)
        elif isinstance(value, str) and value.startswith(_BY_REFERENCE) and value != _BY_REFERENCE:
            table[key] = _BY_REFERENCE + _anchored(value.removeprefix(_BY_REFERENCE), folder)


def _anchored(path: str, folder: Path) -> str:
    try:
        return str(folder / Path(path).expanduser())
    except RuntimeError:  # no home
        return path


def _over(file: Mapping[str, Any], given: Given) -> dict[str, Any]:
    """The file's tables with the values of the environment in their places."""
    tables = deepcopy(dict(file))
    for path, (value, _) in given.items():
        here = tables
        for key in path[:-1]:
            if not isinstance(here.get(key), dict):
                here[key] = {}
            here = here[key]
        here[path[-1]] = value
    return tables


def _leaves(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _complaint(origin: str, error: ValidationError, tables: Mapping[str, Any], given: Given) -> str:
    first = first_error(error)
    path = path_of(first, tables)
    variables = {variable for keys, (_, variable) in given.items() if path and keys[: len(path)] == path}
    key = dotted(path) + (f" (set by {', '.join(sorted(variables))})" if variables else "")
    if first["type"] == "extra_forbidden":
        return f"{origin}: {key} is not a setting; {_heading(path[:-1])} takes: {', '.join(_keys_at(path[:-1]))}."
    if first["type"] == "missing":
        return f"{origin}: {key} is missing: add it."
    said = sentence_of(first)
    return f"{origin}: {key} cannot be used: {said}." if key else f"{origin}: {said}."


def _heading(path: Sequence[str]) -> str:
    return f"[{dotted(path)}]" if path else "the configuration"


def _keys_at(path: Sequence[str]) -> Sequence[str]:
    annotation = annotation_at(Settings, path)
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return ["nothing"]


def _ignored(variables: Mapping[str, str]) -> list[str]:
    return [
        f"The variable {variable} is ignored: levels are joined by two underscores, as in {meant}."
        for variable, meant in ignored_variables(variables, Settings)
    ]


def _unused_proxies(settings: Settings) -> list[str]:
    """A sentence for the sources that a proxy of the environment is meant for."""
    proxies = getproxies_environment()
    by_variable: dict[str, list[str]] = {}
    for name, table in settings.sources.items():
        parts = read_url(table.base_url, "a URL")
        scheme = parts.scheme if parts.scheme in proxies else "all"
        host = parts.hostname or ""
        if scheme in proxies and not is_loopback(host) and not proxy_bypass(host):
            by_variable.setdefault(f"{scheme.upper()}_PROXY", []).append(name)
    return [
        f"{variable} is set, and Tracegraph uses no proxy: {', '.join(names)} will be asked directly; where "
        "that is meant, name the hosts in NO_PROXY."
        for variable, names in by_variable.items()
    ]
