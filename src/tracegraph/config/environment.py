"""Values of the configuration from variables of the environment: `TRACEGRAPH_SERVER__PORT=9000`."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from tracegraph.errors import ConfigurationError

PREFIX = "TRACEGRAPH_"
Path = tuple[str, ...]
Given = dict[Path, tuple[Any, str]]
"""Values by the path of their keys, each with the variable that it comes from."""


def from_environment(
    environment: Mapping[str, str], model: type[BaseModel], file: Mapping[str, Any], origin: str
) -> Given:
    """What the variables set. An empty variable is not set.

    A name in the file is met whatever its case, and a dash as an underscore: NEMO_RESEARCH is the file's
    nemo-research. Raises ConfigurationError for a variable of no table, and for one that means two of the file's.
    """
    found: Given = {}
    for variable in sorted(environment, key=lambda name: (name.count("__"), name)):
        levels = _levels(variable)
        if levels is None or (len(levels) == 1 and levels[0] not in model.model_fields):
            continue
        if levels[0] not in model.model_fields:
            raise ConfigurationError(
                f"{origin}: the environment sets {variable}, and {levels[0]} is no table of the configuration: "
                f"levels are joined by two underscores, and there are {', '.join(model.model_fields)}."
            )
        if environment[variable] == "":
            continue
        path = _met(levels, file, found, variable, origin)
        for below, value in _leaves(_value(environment[variable], annotation_at(model, path))):
            found[*path, *below] = value, variable
    return found


def ignored_variables(environment: Mapping[str, str], model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Variables with one underscore in the place of two, each with the name that would count."""
    for variable in sorted(environment):
        rest = variable.upper().removeprefix(PREFIX).lower()
        if not variable.upper().startswith(PREFIX) or "__" in rest:
            continue
        for table, field in model.model_fields.items():
            key = rest.removeprefix(f"{table}_")
            taken = getattr(_plain(field.annotation), "model_fields", {})
            if rest.startswith(f"{table}_") and key in taken:
                yield variable, f"{PREFIX}{table.upper()}__{key.upper()}"


def annotation_at(model: type[BaseModel], path: Sequence[str]) -> Any:
    """The type of the setting at that path; None for one that the core does not know, such as an adapter's own."""
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
    """A name as the environment writes it."""
    return name.lower().replace("-", "_")


def _levels(variable: str) -> list[str] | None:
    """The keys that a variable names; None for one that is no setting."""
    if not variable.upper().startswith(PREFIX):
        return None
    return variable[len(PREFIX) :].lower().split("__")


def _met(levels: Sequence[str], file: Mapping[str, Any], found: Given, variable: str, origin: str) -> Path:
    """The path with the names as the file has them, or as another variable does."""
    path: Path = ()
    here: Any = file
    for level in levels:
        names = list(here) if isinstance(here, Mapping) else []
        names += [other[len(path)] for other in found if other[: len(path)] == path and len(other) > len(path)]
        alike = list(dict.fromkeys(name for name in names if plain_name(name) == plain_name(level)))
        if len(alike) > 1 and level not in alike:
            raise ConfigurationError(
                f"{origin}: {variable} may mean {' or '.join(alike)}: rename one of them in the file."
            )
        name = level if level in alike or not alike else alike[0]
        path = (*path, name)
        here = here.get(name) if isinstance(here, Mapping) else None
    return path


def _value(text: str, annotation: Any) -> Any:
    """A list or a table from JSON, else the text; for a list also its entries with commas between them."""
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    if get_origin(annotation) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _leaves(value: Any) -> Iterator[tuple[Path, Any]]:
    """The values of a table and of those in it, by their paths; any other value is at the empty path."""
    if not isinstance(value, dict) or not value:
        yield (), value
        return
    for key, one in value.items():
        for path, leaf in _leaves(one):
            yield (key, *path), leaf


def _plain(annotation: Any) -> Any:
    """The type without None and without what is annotated to it."""
    if hasattr(annotation, "__metadata__"):
        return _plain(annotation.__origin__)
    if get_origin(annotation) in {Union, types.UnionType}:
        others = [one for one in get_args(annotation) if one is not type(None)]
        return _plain(others[0]) if others else None
    return annotation
