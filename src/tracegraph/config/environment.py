"""Read settings from environment variables: `TRACEGRAPH_SERVER__PORT=9000`."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from tracegraph.errors import ConfigurationError

PREFIX = "TRACEGRAPH_"
Path = tuple[str, ...]
VariableValues = dict[Path, tuple[Any, str]]
"""Values by the path of their keys, each with its environment variable."""


def from_environment(
    environment: Mapping[str, str], model: type[BaseModel], file: Mapping[str, Any], origin: str
) -> VariableValues:
    """Return the values that the variables set; an empty variable is not set.

    A variable refers to a name in the file whatever its case, with underscores for dashes: NEMO_RESEARCH is the
    file's nemo-research.

    Args:
        environment: The environment variables.
        model: The model of the configuration.
        file: The tables of the file.
        origin: The name of the file, for messages.

    Raises:
        ConfigurationError: For a variable without a table, and for one that matches two names in the file.
    """
    values: VariableValues = {}
    for variable in sorted(environment, key=lambda name: (name.count("__"), name)):
        levels = _levels(variable)
        if levels is None or (len(levels) == 1 and levels[0] not in model.model_fields):
            continue
        if levels[0] not in model.model_fields:
            raise ConfigurationError(
                f"{origin}: the environment sets {variable}, but {levels[0]} is not a table of the configuration: "
                f"two underscores separate levels, and the tables are {', '.join(model.model_fields)}."
            )
        if environment[variable] == "":
            continue
        path = _resolve(levels, file, values, variable, origin)
        for below, value in _leaves(_value(environment[variable], annotation_at(model, path))):
            values[*path, *below] = value, variable
    return values


def ignored_variables(environment: Mapping[str, str], model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield the variables with one underscore in place of two, each with the name that would work."""
    for variable in sorted(environment):
        setting = variable.upper().removeprefix(PREFIX).lower()
        if not variable.upper().startswith(PREFIX) or "__" in setting:
            continue
        for table, field in model.model_fields.items():
            key = setting.removeprefix(f"{table}_")
            settings = getattr(_plain(field.annotation), "model_fields", {})
            if setting.startswith(f"{table}_") and key in settings:
                yield variable, f"{PREFIX}{table.upper()}__{key.upper()}"


def annotation_at(model: type[BaseModel], path: Sequence[str]) -> Any:
    """Return the type of the setting at that path, None for a setting that only an adapter knows."""
    annotation: Any = model
    for key in path:
        annotation = _plain(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(key)
            annotation = None if field is None else field.annotation
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            return None
    return _plain(annotation)


def plain_name(name: str) -> str:
    """Return a name in the spelling of environment variables."""
    return name.lower().replace("-", "_")


def _levels(variable: str) -> list[str] | None:
    """Return the keys that a variable names, None for a variable that is not a setting."""
    if not variable.upper().startswith(PREFIX):
        return None
    return variable[len(PREFIX) :].lower().split("__")


def _resolve(
    levels: Sequence[str], file: Mapping[str, Any], values: VariableValues, variable: str, origin: str
) -> Path:
    """Return the path with the names as the file or another variable spells them."""
    path: Path = ()
    table_value: Any = file
    for level in levels:
        names = list(table_value) if isinstance(table_value, Mapping) else []
        names += [
            set_path[len(path)]
            for set_path in values
            if set_path[: len(path)] == path and len(set_path) > len(path)
        ]
        matches = list(dict.fromkeys(name for name in names if plain_name(name) == plain_name(level)))
        if len(matches) > 1 and level not in matches:
            raise ConfigurationError(
                f"{origin}: {variable} may mean {' or '.join(matches)}: rename one of them in the file."
            )
        name = level if level in matches or not matches else matches[0]
        path = (*path, name)
        table_value = table_value.get(name) if isinstance(table_value, Mapping) else None
    return path


def _value(text: str, annotation: Any) -> Any:
    """Return a list or a table from JSON, else the text; for a list also its comma-separated entries."""
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    if get_origin(annotation) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _leaves(value: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a table and of its subtables by path; any other value has the empty path."""
    if not isinstance(value, dict) or not value:
        yield (), value
        return
    for key, member in value.items():
        for path, leaf in _leaves(member):
            yield (key, *path), leaf


def _plain(annotation: Any) -> Any:
    """Return the type without None and without its annotations."""
    if hasattr(annotation, "__metadata__"):
        return _plain(annotation.__origin__)
    if get_origin(annotation) in {Union, types.UnionType}:
        types_ = [branch for branch in get_args(annotation) if branch is not type(None)]
        return _plain(types_[0]) if types_ else None
    return annotation
