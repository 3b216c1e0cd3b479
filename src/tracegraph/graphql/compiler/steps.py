"""The steps of a plan: objects, lists and fields that are completed one after the other, or wait together."""

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

from tracegraph.graphql.compiler.codegen import AccessorCodegen, Collect, Details, Selection
from tracegraph.graphql.compiler.resolver_calls import ExecutionState, ResolverCall


def is_awaitable(value: Any) -> bool:
    """Whether it must be awaited."""
    return hasattr(value, "__await__")


class FieldStep:
    """A field that is called, or that has such fields beneath it."""

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

    def run(self, source: Any, parent_path: Path | None, run: ExecutionState) -> Any:
        """The field's response, or an awaitable of it. Raises GraphQLError when it may not be null and is."""
        path = Path(parent_path, self.key, self._parent.name)
        try:
            if self._call is not None:
                value = self._call.value(source, run, self.info, path)
            elif self._read is not None:
                try:
                    value = self._read(source, run.context)
                except Exception:
                    return run.executor.execute_field(self._parent, source, self.details, path, None)
            if is_awaitable(value):
                return self._awaited(value, path, run)
            completed = self._completed(value, path, run)
            return self._guarded(completed, path, run) if is_awaitable(completed) else completed
        except Exception as error:
            return self._failed(error, path, run)

    def info(self, path: Path, run: ExecutionState) -> GraphQLResolveInfo[Any]:
        """What a resolver is told."""
        return run.executor.build_resolve_info(self._definition, self._nodes, self._parent, path)

    def _completed(self, value: Any, path: Path, run: ExecutionState) -> Any:
        if isinstance(value, Exception):
            raise value
        return self._complete(value, path, run, self)

    async def _awaited(self, value: Awaitable[Any], path: Path, run: ExecutionState) -> Any:
        try:
            completed = self._completed(await value, path, run)
            return await completed if is_awaitable(completed) else completed
        except Exception as error:
            return self._failed(error, path, run)

    async def _guarded(self, completed: Awaitable[Any], path: Path, run: ExecutionState) -> Any:
        try:
            return await completed
        except Exception as error:
            return self._failed(error, path, run)

    def _failed(self, error: Exception, path: Path, run: ExecutionState) -> None:
        run.executor.handle_field_error(error, self._definition.type, self.details, path)


Complete = Callable[[Any, Path, ExecutionState, FieldStep], Any]
"""A value to its response or an awaitable of it; raises as the library's `complete_value` does."""


class ObjectPlan:
    """The selection on one object type: what is read at once, and the steps for all else.

    `structured`: only what every object has is read at once, so that an unusual value costs its own field's speed.
    """

    def __init__(
        self, compiler: StepCompiler, of: GraphQLObjectType, selection: Selection, *, structured: bool = False
    ) -> None:
        readable = compiler.readers.is_surely_readable if structured else compiler.readers.is_readable
        stepped = [key for key, details in selection.items() if not readable(of, details)]
        self._of = of
        self._read = compiler.readers.object_reader(of, selection, stepped)
        self._steps = [FieldStep(compiler, of, key, selection[key]) for key in stepped]
        self._without_shortcuts = (
            None if structured else cache(lambda: ObjectPlan(compiler, of, selection, structured=True))
        )

    def complete_root(self, run: ExecutionState) -> Any:
        """The response of the whole operation."""
        return self._with_steps(
            self._read(run.executor.root_value, run.context), run.executor.root_value, None, run
        )

    def complete(self, value: Any, path: Path, run: ExecutionState, step: FieldStep) -> Any:
        """The object's response, or an awaitable of it."""
        try:
            response = self._read(value, run.context)
        except Exception:
            if self._without_shortcuts is not None:
                return self._without_shortcuts().complete(value, path, run, step)
            info = step.info(path, run)
            return run.executor.complete_value(self._of, step.details, info, path, value, None)
        return self._with_steps(response, value, path, run) if self._steps else response

    def _with_steps(self, response: dict[str, Any], value: Any, path: Path | None, run: ExecutionState) -> Any:
        waiting: list[str] = []
        try:
            for step in self._steps:
                response[step.key] = completed = step.run(value, path, run)
                if is_awaitable(completed):
                    waiting.append(step.key)
        except Exception:
            if waiting:
                run.executor.settle_in_background([response[key] for key in waiting])
            raise
        return _awaited_members(response, waiting) if waiting else response


async def _awaited_members(response: Any, waiting: list[Any]) -> Any:
    """The dict or list with what was awaited in its place, all at once."""
    if len(waiting) == 1:
        response[waiting[0]] = await response[waiting[0]]
        return response
    for key, value in zip(waiting, await gather_with_cancel(*(response[key] for key in waiting)), strict=True):
        response[key] = value
    return response


@dataclass(slots=True)
class ListPlan:
    """A list whose items are completed one by one."""

    of: Any
    item_type: Any
    complete_item: Complete

    def complete(self, value: Any, path: Path, run: ExecutionState, step: FieldStep) -> Any:
        """The list's response, or an awaitable of it."""
        if value.__class__ is not list and value.__class__ is not tuple:
            return run.executor.complete_value(self.of, step.details, step.info(path, run), path, value, None)
        response: list[Any] = []
        waiting: list[int] = []
        try:
            for index, item in enumerate(value):
                completed = self._item(item, path.add_key(index, None), run, step)
                response.append(completed)
                if is_awaitable(completed):
                    waiting.append(index)
        except Exception:
            left = [response[index] for index in waiting]
            left += [item for item in value[len(response) + 1 :] if is_awaitable(item)]
            if left:
                run.executor.settle_in_background(left)
            raise
        return _awaited_members(response, waiting) if waiting else response

    def _item(self, item: Any, path: Path, run: ExecutionState, step: FieldStep) -> Any:
        if is_awaitable(item):
            return self._awaited(item, path, run, step)
        try:
            completed = self._completed(item, path, run, step)
        except Exception as error:
            return self._failed(error, path, run, step)
        return self._guarded(completed, path, run, step) if is_awaitable(completed) else completed

    def _completed(self, item: Any, path: Path, run: ExecutionState, step: FieldStep) -> Any:
        if isinstance(item, Exception):
            raise item
        return self.complete_item(item, path, run, step)

    async def _awaited(self, item: Awaitable[Any], path: Path, run: ExecutionState, step: FieldStep) -> Any:
        try:
            completed = self._completed(await item, path, run, step)
            return await completed if is_awaitable(completed) else completed
        except Exception as error:
            return self._failed(error, path, run, step)

    async def _guarded(self, completed: Awaitable[Any], path: Path, run: ExecutionState, step: FieldStep) -> Any:
        try:
            return await completed
        except Exception as error:
            return self._failed(error, path, run, step)

    def _failed(self, error: Exception, path: Path, run: ExecutionState, step: FieldStep) -> None:
        run.executor.handle_field_error(error, self.item_type, step.details, path)


class AbstractPlan:
    """A value of an interface: its type is told by the value, and each type has its own selection."""

    def __init__(self, compiler: StepCompiler, of: Any, details: Details) -> None:
        self._of = of
        self._plan_of = cache(
            lambda runtime_type: ObjectPlan(compiler, runtime_type, compiler.collect(runtime_type, details))
        )

    def complete(self, value: Any, path: Path, run: ExecutionState, step: FieldStep) -> Any:
        """The response for the type that the value has."""
        info, executor = step.info(path, run), run.executor
        resolve_type = self._of.resolve_type or executor.type_resolver
        name = resolve_type(value, info, self._of)
        runtime_type = executor.ensure_valid_runtime_type(name, self._of, step.details, info, value)
        return self._plan_of(runtime_type).complete(value, path, run, step)


@dataclass(slots=True)
class StepCompiler:
    """Makes the completers of one operation; `collect` gives the fields selected on an object."""

    schema: GraphQLSchema
    readers: AccessorCodegen
    collect: Collect

    def completer(self, of: GraphQLOutputType, details: Details) -> Complete:
        """Completes values of a type, at once where nothing beneath needs waiting."""
        reader = self.readers.value_reader(of, details)
        if reader is None:
            return self._structured(of, details)
        structured = cache(lambda: self._structured(of, details))

        def complete(value: Any, path: Path, run: ExecutionState, step: FieldStep) -> Any:
            try:
                return reader(value, run.context)
            except Exception:
                return structured()(value, path, run, step)

        return complete

    def _structured(self, of: GraphQLOutputType, details: Details) -> Complete:
        inner: Any = of.of_type if is_non_null_type(of) else of
        if is_list_type(inner):
            item_type = cast("GraphQLOutputType", inner.of_type)
            present: Complete = ListPlan(inner, item_type, self.completer(item_type, details)).complete
        elif is_object_type(inner):
            present = ObjectPlan(self, inner, self.collect(inner, details)).complete
        elif is_abstract_type(inner):
            present = AbstractPlan(self, inner, details).complete
        else:
            present = _by_library(inner)
        absent = _by_library(of)

        def complete(value: Any, path: Path, run: ExecutionState, step: FieldStep) -> Any:
            return absent(value, path, run, step) if value is None else present(value, path, run, step)

        return complete


def _by_library(of: GraphQLOutputType) -> Complete:
    def complete(value: Any, path: Path, run: ExecutionState, step: FieldStep) -> Any:
        return run.executor.complete_value(of, step.details, step.info(path, run), path, value, None)

    return complete
