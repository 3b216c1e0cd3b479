"""Synchronous access to fields: fields that need no waiting are read without a resolver call of graphql-core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from graphql import GraphQLField

from tracegraph.graphql.context import RequestContext

R = TypeVar("R", bound=Callable[..., Any])


Read = Callable[[Any, RequestContext], Any]


UNCACHEABLE: Mapping[Any, Any] = {"cacheable": False}
"""The `metadata` of a field about its own execution: no response with the field is reused."""


class NeedsResolver(Exception):
    """The field of this value needs waiting, so its resolver must run."""


@dataclass(frozen=True, slots=True)
class SyncAccessor:
    """One of three: an attribute's name, a function of the value, a function of the value and the context."""

    attribute: str | None = None
    of_value: Callable[[Any], Any] | None = None
    of_value_and_context: Read | None = None


def sync_accessor(read: Read) -> Callable[[R], R]:
    """Decorate a resolver with a synchronous accessor, which returns the same value or raises NeedsResolver."""

    def decorated(resolver: R) -> R:
        resolver.sync_accessor = read  # type: ignore[attr-defined]
        return resolver

    return decorated


def instances_of(kind: type) -> Any:
    """Return an `is_type_of` for an object type whose values all have one class."""

    def is_type_of(value: object, info: object) -> bool:  # noqa: ARG001 - graphql-core's signature
        return isinstance(value, kind)

    is_type_of.kind = kind  # type: ignore[attr-defined]
    return staticmethod(is_type_of)


def is_cacheable_field(definition: GraphQLField) -> bool:
    """Return whether responses with this field may be reused: the field is not marked with `UNCACHEABLE`."""
    field: Any = (definition.extensions or {}).get("strawberry-definition")
    return field is None or field.metadata.get("cacheable", True) is True


def sync_accessor_of(definition: GraphQLField) -> SyncAccessor | None:
    """Return the field's accessor, or None when its resolver must run."""
    field: Any = (definition.extensions or {}).get("strawberry-definition")
    if field is None or field.extensions or field.permission_classes:
        return None
    resolver = field.base_resolver
    if resolver is None:
        return SyncAccessor(attribute=field.python_name)
    read: Read | None = getattr(resolver.wrapped_func, "sync_accessor", None)
    if read is not None:
        return SyncAccessor(of_value_and_context=read)
    if resolver.is_async or resolver.arguments or resolver.info_parameter or not resolver.parent_parameter:
        return None
    return SyncAccessor(of_value=resolver.wrapped_func)
