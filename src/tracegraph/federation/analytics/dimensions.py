"""The properties by which sessions are grouped, and the key of a session in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum

from tracegraph.domain.models import Session


class SessionDimension(Enum):
    """A property that sessions may share."""

    STATUS = "STATUS"
    NAME = "NAME"
    AGENT_NAME = "AGENT_NAME"
    AGENT_VERSION = "AGENT_VERSION"
    MODEL = "MODEL"
    CONVERSATION = "CONVERSATION"


def key_of(session: Session, dimension: SessionDimension) -> str | None:
    """Return the session's key, None without one. A session of several models has all of them as its key."""
    key = _KEYS[dimension](session)
    return key if isinstance(key, str) else None  # an adapter may return any value


def _models(session: Session) -> str | None:
    models = session.models if isinstance(session.models, tuple) else ()
    return ", ".join(sorted({model for model in models if isinstance(model, str)})) or None


_KEYS: Mapping[SessionDimension, Callable[[Session], object]] = {
    SessionDimension.STATUS: lambda session: session.status.name,
    SessionDimension.NAME: lambda session: session.name,
    SessionDimension.AGENT_NAME: lambda session: session.agent_name,
    SessionDimension.AGENT_VERSION: lambda session: session.agent_version,
    SessionDimension.MODEL: _models,
    SessionDimension.CONVERSATION: lambda session: session.conversation_id,
}


_FIELDS: Mapping[SessionDimension, frozenset[str]] = {SessionDimension.MODEL: frozenset({"models"})}


def fields_of(dimensions: Iterable[SessionDimension]) -> frozenset[str]:
    """Return the fields that the keys read and that a list of sessions may leave out."""
    return frozenset().union(*(_FIELDS.get(dimension, frozenset()) for dimension in dimensions))
