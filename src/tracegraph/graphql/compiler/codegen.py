"""Code generation of readers: one Python function per selection of fields that need no waiting.

A reader turns a domain value into the response's dict in one expression. A reader returns the correct response or
raises. It raises for every unusual value: a null where the schema allows none, a float that is not finite, a value
of an unexpected class. The caller then lets graphql-core complete the value and report the error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from types import CodeType
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.executor import Executor

from tracegraph.graphql.compiler.field_access import sync_accessor_of
from tracegraph.graphql.compiler.selection import Details, Selection
from tracegraph.graphql.types.scalars import serialize_time

Reader = Callable[[Any, Any], Any]


Names = dict[str, Any]
"""The global names that a reader's source text uses."""


Collect = Callable[[GraphQLObjectType, Details], Selection]


_MAX_TEXTS, _MAX_TYPES = 500, 200


class FallbackToLibrary(Exception):
    """The value is unusual; graphql-core must complete it."""


_PLAIN = {
    GraphQLString: "v.__class__ is str",
    GraphQLID: "v.__class__ is str",
    GraphQLBoolean: "v.__class__ is bool",
    GraphQLInt: "v.__class__ is int and -2147483648 <= v <= 2147483647",
    GraphQLFloat: "v.__class__ is float and v - v == 0.0",
}
"""Expressions that hold when a value is its own response. `v - v` is 0.0 for finite floats only."""


def fall_back() -> Any:
    """Raise FallbackToLibrary; callable within an expression."""
    raise FallbackToLibrary


def as_list(value: Any) -> Any:
    """Return a list or tuple unchanged, and raise FallbackToLibrary for any other value."""
    if value.__class__ is tuple or value.__class__ is list:
        return value
    raise FallbackToLibrary


_UTC_TIME = "v.__class__ is datetime and v.tzinfo is utc"


_SHARED_NAMES: Mapping[str, Any] = {
    "fall_back": fall_back,
    "as_list": as_list,
    "datetime": datetime,
    "utc": UTC,
}
"""Names that every reader may use."""


@dataclass(slots=True)
class ReaderCodegen:
    """Compiles the readers of one operation. `collect` returns the fields selected on an object."""

    schema: GraphQLSchema
    collect: Collect
    _readers: dict[tuple[str, int], Reader | None] = field(default_factory=dict)
    _keepalive: list[Details] = field(default_factory=list)

    def object_reader(
        self, object_type: GraphQLObjectType, fields: Mapping[str, Details], skipped: Sequence[str] = ()
    ) -> Reader:
        """Return a reader of an object's dict.

        Args:
            object_type: The object type.
            fields: The fields selected on the object.
            skipped: Response keys that the reader sets to None.

        Raises:
            FallbackToLibrary: When the selection cannot be compiled.
        """
        names = dict(_SHARED_NAMES)
        entries: list[str] = []
        for key, details in fields.items():
            expression = "None" if key in skipped else self._field(object_type, details, names)
            if expression is None:
                raise FallbackToLibrary
            entries.append(f"{key!r}: {expression}")
        checks = [_type_check(object_type, names)] if object_type.is_type_of else []
        if all(key in skipped or _is_typename(details) for key, details in fields.items()):
            checks.append("    if isinstance(o, Exception): fall_back()")
        return _compile([*checks, f"    return {{{', '.join(entries)}}}"], names)

    def value_reader(self, field_type: GraphQLOutputType, details: Details) -> Reader | None:
        """Return a reader of a value, or None when a field below needs waiting or a call."""
        names = dict(_SHARED_NAMES)
        expression = self._value(field_type, details, "o", names)
        return None if expression is None else _compile([f"    return {expression}"], names)

    def field_reader(self, object_type: GraphQLObjectType, details: Details) -> Reader | None:
        """Return a reader of the field's raw value on its object, or None when the field needs a call."""
        names = dict(_SHARED_NAMES)
        source = self._source(object_type, details, names)
        return None if source is None else _compile([f"    return {source}"], names)

    def is_readable(self, object_type: GraphQLObjectType, details: Details) -> bool:
        """Return whether the field and all fields below need no waiting."""
        return self._field(object_type, details, {}) is not None

    def is_surely_readable(self, object_type: GraphQLObjectType, details: Details) -> bool:
        """Return whether the field is a leaf that every object has."""
        definition = self.schema.get_field(object_type, details[0].node.name.value)
        way = None if definition is None else sync_accessor_of(definition)
        sure = _is_typename(details) or (way is not None and way.of_value_and_context is None)
        return sure and details[0].node.selection_set is None and self.is_readable(object_type, details)

    # -- expressions ---------------------------------------------------------------------------------------

    def _field(self, object_type: GraphQLObjectType, details: Details, names: Names) -> str | None:
        if _is_typename(details):
            return repr(object_type.name)
        source = self._source(object_type, details, names)
        definition = self.schema.get_field(object_type, details[0].node.name.value)
        if source is None or definition is None:
            return None
        return self._value(definition.type, details, source, names)

    def _source(self, object_type: GraphQLObjectType, details: Details, names: Names) -> str | None:
        node = details[0].node
        definition = self.schema.get_field(object_type, node.name.value)
        if definition is None or definition.args or node.arguments:
            return None
        way = sync_accessor_of(definition)
        if way is None:
            return None
        if way.attribute is not None:
            return f"o.{way.attribute}"
        if way.of_value is not None:
            return f"{_name(names, way.of_value)}(o)"
        return f"{_name(names, way.of_value_and_context)}(o, c)"

    def _value(self, field_type: GraphQLOutputType, details: Details, source: str, names: Names) -> str | None:
        present = self._present(field_type.of_type if is_non_null_type(field_type) else field_type, details, names)
        if present is None:
            return None
        absent = "fall_back()" if is_non_null_type(field_type) else "None"
        return f"({absent} if (v := {source}) is None else {present})"

    def _present(self, field_type: Any, details: Details, names: Names) -> str | None:
        """Return the expression of the response for a value `v` that is not None."""
        if is_leaf_type(field_type):
            return _leaf(field_type, names)
        if is_list_type(field_type):
            item = self._value(field_type.of_type, details, "i", names)
            return None if item is None else f"[{item} for i in as_list(v)]"
        reader = self._shared_reader(field_type, details) if is_object_type(field_type) else None
        return None if reader is None else f"{_name(names, reader)}(v, c)"

    def _shared_reader(self, object_type: GraphQLObjectType, details: Details) -> Reader | None:
        key = (object_type.name, id(details))
        if key not in self._readers:
            self._keepalive.append(details)
            self._readers[key] = self._reader(object_type, self.collect(object_type, details))
        return self._readers[key]

    def _reader(self, object_type: GraphQLObjectType, selection: Selection) -> Reader | None:
        if selection.deferral is not None:
            return None
        try:
            return self.object_reader(object_type, selection.fields)
        except FallbackToLibrary:
            return None


def _name(names: Names, value: Any) -> str:
    name = f"n{len(names)}"
    names[name] = value
    return name


def _compile(lines: Sequence[str], names: Names) -> Reader:
    exec(_code("\n".join(["def read(o, c):", *lines])), names)  # noqa: S102 - generated text, see `_code`
    reader: Reader = names["read"]
    return reader


@lru_cache(_MAX_TEXTS)
def _code(text: str) -> CodeType:
    """Compile the source text of a reader.

    The text contains only names and keys of a validated document, as literals. Selections of one shape share one
    text. Compiling takes 25 us per field.
    """
    return compile(text, "<plan>", "exec")


def _type_check(object_type: GraphQLObjectType, names: Names) -> str:
    is_type_of: Any = object_type.is_type_of
    shortcut = f"o.__class__ is {_name(names, is_type_of.kind)} or " if hasattr(is_type_of, "kind") else ""
    return f"    if not ({shortcut}{_name(names, is_type_of)}(o, None)): raise fall_back()"


def _leaf(leaf_type: Any, names: Names) -> str:
    coerce = _name(names, _coercer(leaf_type))
    named = _named_members(leaf_type) if isinstance(leaf_type, GraphQLEnumType) else None
    if named is not None:
        return f"v._name_ if v.__class__ is {_name(names, named)} else {coerce}(v)"
    if leaf_type in _PLAIN:
        return f"v if {_PLAIN[leaf_type]} else {coerce}(v)"
    if getattr(leaf_type, "serialize", None) is serialize_time:
        return f"v if {_UTC_TIME} else {coerce}(v)"
    return f"{coerce}(v)"


def _is_typename(details: Details) -> bool:
    return details[0].node.name.value == "__typename"


@lru_cache(_MAX_TYPES)
def _coercer(leaf_type: Any) -> Callable[[Any], Any]:
    complete = Executor.complete_leaf_value

    def coerce(value: Any) -> Any:
        if isinstance(value, Exception) or hasattr(value, "__await__"):
            raise FallbackToLibrary
        return complete(leaf_type, value)

    return coerce


@lru_cache(_MAX_TYPES)
def _named_members(enum_type: GraphQLEnumType) -> type | None:
    """Return the enum's class when its members have the names of the schema, else None."""
    members = {type(value.value) for value in enum_type.values.values()}
    wrapped = getattr(enum_type, "wrapped_cls", None)
    if wrapped is None or len(members) > 1:
        return None
    same = all(
        getattr(wrapped, name, None) is not None and wrapped[name].name == name for name in enum_type.values
    )
    return wrapped if same and len(wrapped) == len(enum_type.values) else None
