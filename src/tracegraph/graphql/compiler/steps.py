"""Steps of a plan: objects, lists and fields, completed one after the other or awaited together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    is_abstract_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.pyutils import Path
from graphql.pyutils.gather_with_cancel import gather_with_cancel

from tracegraph.graphql.compiler.codegen import Collect, ReaderCodegen
from tracegraph.graphql.compiler.resolver_calls import ResolverCall
from tracegraph.graphql.compiler.resolver_info import ExecutionState
from tracegraph.graphql.compiler.selection import Details, Selection


def is_awaitable(value: Any) -> bool:
    """Return whether the value must be awaited."""
    return hasattr(value, "__await__")


class FieldStep:
    """A field with a resolver call, or with such fields below."""

    def __init__(self, compiler: StepCompiler, parent: GraphQLObjectType, key: str, details: Details) -> None:
        definition = compiler.schema.get_field(parent, details[0].node.name.value)
        if definition is None:
            raise LookupError(f"{parent.name} has no field {details[0].node.name.value}")
        self.key = key
        self.details = details
        self._parent = parent
        self._definition: GraphQLField = definition
        self._nodes = [detail.node for detail in details]
        self._read = compiler.readers.field_reader(parent, details)
        self._call = ResolverCall(definition, details) if self._read is None else None
        self._complete = compiler.completer(definition.type, details)

    def run(self, source: Any, parent_path: Path | None, state: ExecutionState) -> Any:
        """Return the field's response, or an awaitable of the response.

        Args:
            source: The object of the field.
            parent_path: The path of the object, None for the root.
            state: The execution.

        Raises:
            GraphQLError: When the response is null and the schema does not allow null.
        """
        path = Path(parent_path, self.key, self._parent.name)
        try:
            if self._call is not None:
                value = self._call.value(source, state, self.info, path)
            elif self._read is not None:
                try:
                    value = self._read(source, state.context)
                except Exception:
                    return state.executor.execute_field(
                        self._parent, source, self.details, path, state.delivery_groups
                    )
            if is_awaitable(value):
                return self._awaited(value, path, state)
            completed = self._completed(value, path, state)
            return self._guarded(completed, path, state) if is_awaitable(completed) else completed
        except Exception as error:
            return self._failed(error, path, state)

    def info(self, path: Path, state: ExecutionState) -> GraphQLResolveInfo[Any]:
        """Return graphql-core's info for the resolver."""
        return state.executor.build_resolve_info(self._definition, self._nodes, self._parent, path)

    def _completed(self, value: Any, path: Path, state: ExecutionState) -> Any:
        if isinstance(value, Exception):
            raise value
        return self._complete(value, path, state, self)

    async def _awaited(self, value: Awaitable[Any], path: Path, state: ExecutionState) -> Any:
        try:
            completed = self._completed(await value, path, state)
            return await completed if is_awaitable(completed) else completed
        except Exception as error:
            return self._failed(error, path, state)

    async def _guarded(self, completed: Awaitable[Any], path: Path, state: ExecutionState) -> Any:
        try:
            return await completed
        except Exception as error:
            return self._failed(error, path, state)

    def _failed(self, error: Exception, path: Path, state: ExecutionState) -> None:
        state.executor.handle_field_error(error, self._definition.type, self.details, path)


Complete = Callable[[Any, Path, ExecutionState, FieldStep], Any]
"""Completes a value to its response or an awaitable of it. Raises as graphql-core's `complete_value` does."""


class ObjectPlan:
    """The selection on one object type: a reader for fields that need no waiting, and steps for the others.

    With `structured`, the reader covers only leaves that every object has. Then an unusual value slows its own
    field only. Graphql-core executes the fields of deferred fragments.
    """

    def __init__(
        self,
        compiler: StepCompiler,
        object_type: GraphQLObjectType,
        selection: Selection,
        *,
        structured: bool = False,
    ) -> None:
        readable = compiler.readers.is_surely_readable if structured else compiler.readers.is_readable
        fields = selection.fields
        stepped = [key for key, details in fields.items() if not readable(object_type, details)]
        self._object_type = object_type
        self._deferral = selection.deferral
        self._read = compiler.readers.object_reader(object_type, fields, stepped)
        self._steps = [FieldStep(compiler, object_type, key, fields[key]) for key in stepped]
        self._without_shortcuts = (
            None if structured else cache(lambda: ObjectPlan(compiler, object_type, selection, structured=True))
        )

    def complete_root(self, state: ExecutionState) -> Any:
        """Return the response of the operation, or an awaitable of the response."""
        return self._with_steps(
            self._read(state.executor.root_value, state.context), state.executor.root_value, None, state
        )

    def complete(self, value: Any, path: Path, state: ExecutionState, step: FieldStep) -> Any:
        """Return the object's response, or an awaitable of the response.

        Args:
            value: The object.
            path: The path of the field.
            state: The execution.
            step: The step of the field.
        """
        try:
            response = self._read(value, state.context)
        except Exception:
            if self._without_shortcuts is not None:
                return self._without_shortcuts().complete(value, path, state, step)
            info, groups = step.info(path, state), state.delivery_groups
            return state.executor.complete_value(self._object_type, step.details, info, path, value, groups)
        return self._with_steps(response, value, path, state)

    def _with_steps(self, response: dict[str, Any], value: Any, path: Path | None, state: ExecutionState) -> Any:
        if self._deferral is None:
            return self._stepped(response, value, path, state) if self._steps else response
        groups, inner = self._deferral.begin(path, state)
        completed = self._stepped(response, value, path, inner)
        self._deferral.defer(self._object_type, value, path, inner, groups)
        return completed

    def _stepped(self, response: dict[str, Any], value: Any, path: Path | None, state: ExecutionState) -> Any:
        waiting: list[str] = []
        try:
            for step in self._steps:
                response[step.key] = completed = step.run(value, path, state)
                if is_awaitable(completed):
                    waiting.append(step.key)
        except Exception:
            if waiting:
                state.executor.settle_in_background([response[key] for key in waiting])
            raise
        return _awaited_members(response, waiting) if waiting else response


async def _awaited_members(response: Any, waiting: list[Any]) -> Any:
    """Await the members at these keys together, and return the dict or list with their results."""
    if len(waiting) == 1:
        response[waiting[0]] = await response[waiting[0]]
        return response
    for key, value in zip(waiting, await gather_with_cancel(*(response[key] for key in waiting)), strict=True):
        response[key] = value
    return response


@dataclass(slots=True)
class ListPlan:
    """A list whose items are completed one by one."""

    list_type: Any
    item_type: Any
    complete_item: Complete

    def complete(self, value: Any, path: Path, state: ExecutionState, step: FieldStep) -> Any:
        """Return the list's response, or an awaitable of the response.

        Args:
            value: The list.
            path: The path of the field.
            state: The execution.
            step: The step of the field.
        """
        if value.__class__ is not list and value.__class__ is not tuple:
            return state.executor.complete_value(
                self.list_type, step.details, step.info(path, state), path, value, state.delivery_groups
            )
        response: list[Any] = []
        waiting: list[int] = []
        try:
            for index, item in enumerate(value):
                completed = self._item(item, path.add_key(index, None), state, step)
                response.append(completed)
                if is_awaitable(completed):
                    waiting.append(index)
        except Exception:
            left = [response[index] for index in waiting]
            left += [item for item in value[len(response) + 1 :] if is_awaitable(item)]
            if left:
                state.executor.settle_in_background(left)
            raise
        return _awaited_members(response, waiting) if waiting else response

    def _item(self, item: Any, path: Path, state: ExecutionState, step: FieldStep) -> Any:
        if is_awaitable(item):
            return self._awaited(item, path, state, step)
        try:
            completed = self._completed(item, path, state, step)
        except Exception as error:
            return self._failed(error, path, state, step)
        return self._guarded(completed, path, state, step) if is_awaitable(completed) else completed

    def _completed(self, item: Any, path: Path, state: ExecutionState, step: FieldStep) -> Any:
        if isinstance(item, Exception):
            raise item
        return self.complete_item(item, path, state, step)

    async def _awaited(self, item: Awaitable[Any], path: Path, state: ExecutionState, step: FieldStep) -> Any:
        try:
            completed = self._completed(await item, path, state, step)
            return await completed if is_awaitable(completed) else completed
        except Exception as error:
            return self._failed(error, path, state, step)

    async def _guarded(self, completed: Awaitable[Any], path: Path, state: ExecutionState, step: FieldStep) -> Any:
        try:
            return await completed
        except Exception as error:
            return self._failed(error, path, state, step)

    def _failed(self, error: Exception, path: Path, state: ExecutionState, step: FieldStep) -> None:
        state.executor.handle_field_error(error, self.item_type, step.details, path)


class AbstractPlan:
    """A value of an interface. The value determines the object type, and each object type has its own plan."""

    def __init__(self, compiler: StepCompiler, abstract_type: Any, details: Details) -> None:
        self._abstract_type = abstract_type
        self._plan_of = cache(
            lambda runtime_type: ObjectPlan(compiler, runtime_type, compiler.collect(runtime_type, details))
        )

    def complete(self, value: Any, path: Path, state: ExecutionState, step: FieldStep) -> Any:
        """Return the response of the value by its object type.

        Args:
            value: The value of the interface.
            path: The path of the field.
            state: The execution.
            step: The step of the field.
        """
        info, executor = step.info(path, state), state.executor
        resolve_type = self._abstract_type.resolve_type or executor.type_resolver
        name = resolve_type(value, info, self._abstract_type)
        runtime_type = executor.ensure_valid_runtime_type(name, self._abstract_type, step.details, info, value)
        return self._plan_of(runtime_type).complete(value, path, state, step)


@dataclass(slots=True)
class StepCompiler:
    """Builds the completers of one operation. `collect` returns the fields selected on an object."""

    schema: GraphQLSchema
    readers: ReaderCodegen
    collect: Collect

    def completer(self, field_type: GraphQLOutputType, details: Details) -> Complete:
        """Return the completer of a type: a reader where no field below needs waiting, else steps."""
        reader = self.readers.value_reader(field_type, details)
        if reader is None:
            return self._structured(field_type, details)
        structured = cache(lambda: self._structured(field_type, details))

        def complete(value: Any, path: Path, state: ExecutionState, step: FieldStep) -> Any:
            try:
                return reader(value, state.context)
            except Exception:
                return structured()(value, path, state, step)

        return complete

    def _structured(self, field_type: GraphQLOutputType, details: Details) -> Complete:
        inner: Any = field_type.of_type if is_non_null_type(field_type) else field_type
        if is_list_type(inner):
            item_type = cast("GraphQLOutputType", inner.of_type)
            present: Complete = ListPlan(inner, item_type, self.completer(item_type, details)).complete
        elif is_object_type(inner):
            present = ObjectPlan(self, inner, self.collect(inner, details)).complete
        elif is_abstract_type(inner):
            present = AbstractPlan(self, inner, details).complete
        else:
            present = _by_graphql_core(inner)
        absent = _by_graphql_core(field_type)

        def complete(value: Any, path: Path, state: ExecutionState, step: FieldStep) -> Any:
            return absent(value, path, state, step) if value is None else present(value, path, state, step)

        return complete


def _by_graphql_core(field_type: GraphQLOutputType) -> Complete:
    def complete(value: Any, path: Path, state: ExecutionState, step: FieldStep) -> Any:
        info, groups = step.info(path, state), state.delivery_groups
        return state.executor.complete_value(field_type, step.details, info, path, value, groups)

    return complete
