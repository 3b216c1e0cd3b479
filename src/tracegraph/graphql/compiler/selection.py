"""The fields that an operation selects on an object, and those of its deferred fragments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from graphql import GraphQLObjectType
from graphql.execution.collect_fields import CollectedFields, DeferUsage, FieldDetails
from graphql.execution.incremental import IncrementalExecutor
from graphql.execution.incremental.build_execution_plan import build_execution_plan
from graphql.pyutils import Path

from tracegraph.graphql.compiler.resolver_info import ExecutionState

Details = list[FieldDetails]


@dataclass(frozen=True, slots=True)
class Deferral:
    """The deferred fragments of a selection: those that begin here, and the fields that wait for fragments.

    Graphql-core calls a deferred fragment at one path a delivery group.
    """

    usages: Sequence[DeferUsage]
    fields: Any

    def begin(self, path: Path | None, state: ExecutionState) -> tuple[Sequence[Any], ExecutionState]:
        """Return the new delivery groups at this path, and the state for the fields below.

        Args:
            path: The path of the object, None for the root.
            state: The execution.
        """
        executor = cast("IncrementalExecutor", state.executor)
        groups, by_usage = executor.get_new_delivery_group_map(self.usages, state.delivery_groups, path)
        return groups, replace(state, delivery_groups=by_usage)

    def defer(
        self, object_type: GraphQLObjectType, value: Any, path: Path | None, state: ExecutionState, groups: Any
    ) -> None:
        """Leave the fields that wait for fragments to graphql-core, which executes them after the first part.

        Args:
            object_type: The type of the object.
            value: The object.
            path: The path of the object, None for the root.
            state: The execution, as `begin` returned it.
            groups: The delivery groups, as `begin` returned them.
        """
        executor = cast("IncrementalExecutor", state.executor)
        executor.groups.extend(groups)
        if self.fields:
            executor.collect_execution_groups(object_type, value, path, self.fields, state.delivery_groups)


@dataclass(frozen=True, slots=True)
class Selection:
    """The fields of one object by response key, without those that wait for deferred fragments."""

    fields: Mapping[str, Details]
    deferral: Deferral | None = None

    @classmethod
    def of(cls, collected: CollectedFields, *, incremental: bool) -> Selection:
        """Return the selection of collected fields. Without `incremental`, fragments are executed in place."""
        if not incremental:
            return cls(collected.grouped_field_set)
        plan = build_execution_plan(collected.grouped_field_set)
        if not collected.new_defer_usages and not plan.new_grouped_field_sets:
            return cls(collected.grouped_field_set)
        return cls(plan.grouped_field_set, Deferral(collected.new_defer_usages, plan.new_grouped_field_sets))
