"""Links to the pages of NeMo Studio, the vendor's user interface (docs/vendors/nemo.md#studio)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from tracegraph.domain.urls import http_url


@dataclass(frozen=True, slots=True)
class Studio:
    """The pages of one workspace.

    Attributes:
        web_url: The address under which a browser reaches the service.
        workspace: The workspace.
        has_sessions: Whether the release has pages of sessions.
    """

    web_url: str
    workspace: str
    has_sessions: bool = True

    def experiment(self, group_id: str, name: str) -> str | None:
        """Return the page of an experiment within a group."""
        return http_url(f"{self._workspace_url}/experiment/{_escaped(group_id)}/{_escaped(name)}")

    def session(self, session_id: str, trace_id: str | None, span_id: str | None) -> str | None:
        """Return the page of a session, which opens its root span where that is known."""
        if not self.has_sessions:
            return None
        places = {"traceId": trace_id, "spanId": span_id}
        query = urlencode({name: value for name, value in places.items() if value}, errors="replace")
        page = f"{self._workspace_url}/intake/sessions/{_escaped(session_id)}"
        return http_url(f"{page}?{query}" if query else page)

    @property
    def _workspace_url(self) -> str:
        return f"{self.web_url.rstrip('/')}/studio/workspaces/{_escaped(self.workspace)}"


def _escaped(text: str) -> str:
    return quote(text, safe="", errors="replace")
