"""Compiled readers: one Python function for each selection of fields that are there without any waiting.

A reader turns a value of the layers below into the response's dict in one expression. It is right or it raises:
whatever is not as it mostly is (a null where none may be, a float that is not finite, a value of another class)
ends in an exception, and the caller has the value completed by the library instead, which tells the error.
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
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import Executor

from tracegraph.graphql.compiler.field_access import sync_accessor_of
from tracegraph.graphql.types.scalars import serialize_time

Details = list[FieldDetails]


Selection = Mapping[str, Details]


Reader = Callable[[Any, Any], Any]


Names = dict[str, Any]
"""What the text of a reader names."""


Collect = Callable[[GraphQLObjectType, Details], Selection]


_MOST_TEXTS, _MOST_TYPES = 500, 200


class FallbackToLibrary(Exception):
    """The value is not as a reader expects it."""


_PLAIN = {
    GraphQLString: "v.__class__ is str",
    GraphQLID: "v.__class__ is str",
    GraphQLBoolean: "v.__class__ is bool",
    GraphQLInt: "v.__class__ is int and -2147483648 <= v <= 2147483647",
    GraphQLFloat: "v.__class__ is float and v - v == 0.0",
}
"""When a value is its own response, as an expression; 0.0 is what finite floats less themselves are."""


def unusual() -> Any:
    """Raise, where an expression is wanted."""
    raise FallbackToLibrary


def as_list(value: Any) -> Any:
    """The value, when it is a list of the kinds that the layers below give."""
    if value.__class__ is tuple or value.__class__ is list:
        return value
    raise FallbackToLibrary


_UTC_TIME = "v.__class__ is datetime and v.tzinfo is utc"


_KNOWN: Mapping[str, Any] = {
    "unusual": unusual,
    "listed": as_list,
    "datetime": datetime,
    "utc": UTC,
}
"""What every reader may name."""


@dataclass(slots=True)
class AccessorCodegen:
    """Writes the readers of one operation; `collect` gives the fields selected on an object."""

    schema: GraphQLSchema
    collect: Collect
    _readers: dict[tuple[str, int], Reader | None] = field(default_factory=dict)
    _alive: list[Details] = field(default_factory=list)

    def object_reader(self, of: GraphQLObjectType, selection: Selection, skipped: Sequence[str] = ()) -> Reader:
        """Reads an object's dict, with None at the skipped keys. Raises Unusual when it cannot be compiled."""
        names = dict(_KNOWN)
        entries: list[str] = []
        for key, details in selection.items():
            expression = "None" if key in skipped else self._field(of, details, names)
            if expression is None:
                raise FallbackToLibrary
            entries.append(f"{key!r}: {expression}")
        checks = [_type_check(of, names)] if of.is_type_of else []
        if all(key in skipped or _is_typename(details) for key, details in selection.items()):
            checks.append("    if isinstance(o, Exception): unusual()")
        return _compiled([*checks, f"    return {{{', '.join(entries)}}}"], names)

    def value_reader(self, of: GraphQLOutputType, details: Details) -> Reader | None:
        """Reads a value of any type, None when something beneath it needs waiting or calling."""
        names = dict(_KNOWN)
        expression = self._value(of, details, "o", names)
        return None if expression is None else _compiled([f"    return {expression}"], names)

    def field_reader(self, of: GraphQLObjectType, details: Details) -> Reader | None:
        """Reads the field's own value from its object, not completed; None when it must be called."""
        names = dict(_KNOWN)
        source = self._source(of, details, names)
        return None if source is None else _compiled([f"    return {source}"], names)

    def is_readable(self, of: GraphQLObjectType, details: Details) -> bool:
        """Whether the field and all beneath it are there without waiting."""
        return self._field(of, details, {}) is not None

    def is_surely_readable(self, of: GraphQLObjectType, details: Details) -> bool:
        """Whether the field is a leaf that every object has."""
        definition = self.schema.get_field(of, details[0].node.name.value)
        way = None if definition is None else sync_accessor_of(definition)
        sure = _is_typename(details) or (way is not None and way.of_value_and_context is None)
        return sure and details[0].node.selection_set is None and self.is_readable(of, details)

    # -- expressions ---------------------------------------------------------------------------------------

    def _field(self, of: GraphQLObjectType, details: Details, names: Names) -> str | None:
        if _is_typename(details):
            return repr(of.name)
        source = self._source(of, details, names)
        definition = self.schema.get_field(of, details[0].node.name.value)
        if source is None or definition is None:
            return None
        return self._value(definition.type, details, source, names)

    def _source(self, of: GraphQLObjectType, details: Details, names: Names) -> str | None:
        node = details[0].node
        definition = self.schema.get_field(of, node.name.value)
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

    def _value(self, of: GraphQLOutputType, details: Details, source: str, names: Names) -> str | None:
        present = self._present(of.of_type if is_non_null_type(of) else of, details, names)
        if present is None:
            return None
        absent = "unusual()" if is_non_null_type(of) else "None"
        return f"({absent} if (v := {source}) is None else {present})"

    def _present(self, of: Any, details: Details, names: Names) -> str | None:
        """The response for a value `v` that is there."""
        if is_leaf_type(of):
            return _leaf(of, names)
        if is_list_type(of):
            item = self._value(of.of_type, details, "i", names)
            return None if item is None else f"[{item} for i in listed(v)]"
        reader = self._shared_reader(of, details) if is_object_type(of) else None
        return None if reader is None else f"{_name(names, reader)}(v, c)"

    def _shared_reader(self, of: GraphQLObjectType, details: Details) -> Reader | None:
        key = (of.name, id(details))
        if key not in self._readers:
            self._alive.append(details)
            try:
                self._readers[key] = self.object_reader(of, self.collect(of, details))
            except FallbackToLibrary:
                self._readers[key] = None
        return self._readers[key]


def _name(names: Names, value: Any) -> str:
    name = f"n{len(names)}"
    names[name] = value
    return name


def _compiled(lines: Sequence[str], names: Names) -> Reader:
    exec(_code("\n".join(["def read(o, c):", *lines])), names)  # noqa: S102 - our own text, see `_code`
    reader: Reader = names["read"]
    return reader


@lru_cache(_MOST_TEXTS)
def _code(text: str) -> CodeType:
    """The text is our own: names and keys of a validated document, as literals.

    Selections of one shape have one text, whatever else their documents hold: compiling takes 25 us a field.
    """
    return compile(text, "<plan>", "exec")


def _type_check(of: GraphQLObjectType, names: Names) -> str:
    is_type_of: Any = of.is_type_of
    known = f"o.__class__ is {_name(names, is_type_of.kind)} or " if hasattr(is_type_of, "kind") else ""
    return f"    if not ({known}{_name(names, is_type_of)}(o, None)): raise unusual()"


def _leaf(of: Any, names: Names) -> str:
    coerce = _name(names, _coercer(of))
    named = _named_members(of) if isinstance(of, GraphQLEnumType) else None
    if named is not None:
        return f"v._name_ if v.__class__ is {_name(names, named)} else {coerce}(v)"
    if of in _PLAIN:
        return f"v if {_PLAIN[of]} else {coerce}(v)"
    if getattr(of, "serialize", None) is serialize_time:
        return f"v if {_UTC_TIME} else {coerce}(v)"
    return f"{coerce}(v)"


def _is_typename(details: Details) -> bool:
    return details[0].node.name.value == "__typename"


@lru_cache(_MOST_TYPES)
def _coercer(of: Any) -> Callable[[Any], Any]:
    complete = Executor.complete_leaf_value

    def coerce(value: Any) -> Any:
        if isinstance(value, Exception) or hasattr(value, "__await__"):
            raise FallbackToLibrary
        return complete(of, value)

    return coerce


@lru_cache(_MOST_TYPES)
def _named_members(of: GraphQLEnumType) -> type | None:
    """The enumeration's class, when its members have the schema's names."""
    members = {type(value.value) for value in of.values.values()}
    wrapped = getattr(of, "wrapped_cls", None)
    if wrapped is None or len(members) > 1:
        return None
    same = all(getattr(wrapped, name, None) is not None and wrapped[name].name == name for name in of.values)
    return wrapped if same and len(wrapped) == len(of.values) else None
