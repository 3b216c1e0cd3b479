"""`tracegraph new-adapter`: write an adapter that passes the contract suite over a simulator of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from keyword import iskeyword
from pathlib import Path

from tracegraph.adapter.registry import installed_vendors
from tracegraph.errors import ConfigurationError

_SUFFIX = ".template"
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_FOLDERS = {"package": "tracegraph_acme"}
"""Template folders whose name differs from the written folder."""


class PagingKind(StrEnum):
    """How the lists of the new vendor go on: see `tracegraph.adapter.paging.Paging`."""

    OFFSET = "offset"
    RANGE = "range"
    CURSOR = "cursor"
    WHOLE = "whole"


def write_adapter(name: str, paging: PagingKind, folder: Path | None = None) -> Path:
    """Write a distribution with an adapter, its simulator and its contract test, and return its folder.

    Args:
        name: The name that `vendor = "..."` takes.
        paging: How the vendor's lists go on.
        folder: The folder to create; None for `tracegraph-NAME` here.

    Raises:
        ConfigurationError: For an unusable name, and for a folder that exists or cannot be created. Then nothing
            is written.
    """
    _require_name(name)
    target = folder or Path(f"tracegraph-{name}")
    texts = package_files(name, paging)
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise ConfigurationError(f"{target} exists already: choose another folder with --folder.") from None
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be created: {error.strerror}.") from None
    for path, text in texts.items():
        file = target / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    return target


def package_files(name: str, paging: PagingKind) -> Mapping[str, str]:
    """Return the text of every file of the package by its path."""
    names = {
        "ACME": name.upper(),
        "x-acme-key": f"x-{name.replace('_', '-')}-key",
        "acme": name,
        "Acme": "".join(part.capitalize() for part in name.split("_")),
        "@VERSION@": version("tracegraph"),
    }
    return {
        _renamed(path, names): _renamed(_selected(template.read_text("utf-8"), paging), names)
        for path, template in _templates(files("tracegraph.commands") / "templates")
    }


def _require_name(name: str) -> None:
    if not _IDENTIFIER.fullmatch(name) or iskeyword(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of an adapter: use lower-case letters, digits and underscores, "
            "with a letter first and no underscore last or doubled."
        )
    if name.startswith("test"):
        raise ConfigurationError(f"{name!r} cannot be the name of an adapter: pytest collects classes named Test.")
    if name in installed_vendors():
        raise ConfigurationError(f"An adapter named {name!r} is installed already: choose another name.")


def _templates(folder: Traversable, path: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, f"{_FOLDERS.get(entry.name, entry.name)}/")
        elif entry.name.endswith(_SUFFIX):
            yield path + entry.name.removesuffix(_SUFFIX), entry


def _selected(template: str, paging: PagingKind) -> str:
    """Return the lines of a template for one kind of paging.

    A line `#: offset range` begins lines for these kinds, up to the next such line; `#: end` ends them.
    """
    lines: list[str] = []
    kinds = {paging.value}
    for line in template.splitlines(keepends=True):
        marker, _, words = line.strip().partition(" ")
        if marker == "#:":
            kinds = {paging.value} if words == "end" else set(words.split())
        elif paging.value in kinds:
            lines.append(line)
    return "".join(lines)


def _renamed(text: str, names: Mapping[str, str]) -> str:
    # In one pass: the name itself may contain a placeholder.
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)
