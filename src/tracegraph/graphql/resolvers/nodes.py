"""Resolvers of objects by ID."""

from __future__ import annotations

from typing import Any

import strawberry

from tracegraph.domain.models import Session, SessionRef, SpanRef
from tracegraph.errors import InvalidId
from tracegraph.graphql.comparison.cases import find_case
from tracegraph.graphql.compiler.resolver_info import nested_time_share
from tracegraph.graphql.lookahead import span_fields_of_node
from tracegraph.graphql.relay.case_ids import CaseReference
from tracegraph.graphql.relay.ids import GlobalId, decode_id
from tracegraph.graphql.resolvers.sources import (
    TracegraphInfo,
)
from tracegraph.graphql.resolvers.spans import find_span


async def query_node(info: TracegraphInfo, id: strawberry.ID) -> Any:  # noqa: A002 - the schema's name
    """Return the object with that ID, or None.

    Raises:
        InvalidId: When the ID is malformed.
    """
    return await _node(info, decode_id(id))


def query_nodes(info: TracegraphInfo, ids: list[strawberry.ID]) -> Any:
    """Return the objects with those IDs in the same order, with None for unknown IDs.

    A malformed ID has InvalidId in its place, which the executor turns into null with an error at that place.
    """
    return [_node_or_error(info, text) for text in ids]


def _node_or_error(info: TracegraphInfo, text: str) -> Any:
    try:
        return _node(info, decode_id(text))
    except InvalidId as error:
        return error


async def query_experiment(info: TracegraphInfo, id: strawberry.ID) -> Any:  # noqa: A002
    """Return the experiment with that ID, or None.

    Raises:
        InvalidId: When the ID is not an experiment's.
    """
    return await _node(info, decode_id(id, "Experiment"))


async def query_session(info: TracegraphInfo, id: strawberry.ID) -> Any:  # noqa: A002
    """Return the session with that ID, or None.

    Raises:
        InvalidId: When the ID is not a session's.
    """
    return await _node(info, decode_id(id, "Session"))


async def _node(info: TracegraphInfo, identity: GlobalId) -> Any:
    with nested_time_share(info):
        return await _object(info, identity)


async def _object(info: TracegraphInfo, identity: GlobalId) -> Any:
    context = info.context
    if identity.type_name == "CaseComparison":
        return await find_case(context, CaseReference.of(identity))
    loaders = context.loaders.get(identity.source)
    if loaders is None:
        return None
    if identity.type_name == "Source":
        return context.adapter(identity.source)
    if identity.type_name == "Experiment":
        return await loaders.experiments.load(identity.parts[1])
    session = SessionRef(identity.parts[1], identity.parts[2])
    if identity.type_name == "Span":
        return await find_span(
            context, identity.source, SpanRef(session, identity.parts[3]), span_fields_of_node(info)
        )
    return await loaders.sessions.load(session)


async def session_experiment(root: strawberry.Parent[Session], info: TracegraphInfo) -> Any:
    """Return the experiment of a session."""
    with nested_time_share(info):
        return await info.context.loaders[root.source].experiments.load(root.experiment_ref)
