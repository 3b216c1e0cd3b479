"""What a query asks for below a field: for a field that tells of the work that its siblings cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from strawberry.types.nodes import SelectedField, Selection


def fields_at(selections: Iterable[Selection], *path: str) -> Iterator[SelectedField]:
    """Every selected field at that path of field names, through fragments; @skip and @include are heeded."""
    if not path:
        return
    for one in selections:
        if not _included(one):
            continue
        if not isinstance(one, SelectedField):
            yield from fields_at(one.selections, *path)
        elif one.name == path[0]:
            if len(path) == 1:
                yield one
            else:
                yield from fields_at(one.selections, *path[1:])


def _included(one: Selection) -> bool:
    skip, include = one.directives.get("skip"), one.directives.get("include")
    return (skip is None or skip["if"] is False) and (include is None or include["if"] is True)
