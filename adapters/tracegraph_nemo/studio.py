"""Links to the pages of NeMo Studio, the vendor's user interface (docs/vendors/nemo.md#studio)."""

from __future__ import annotations

from functools import partial

from tracegraph.domain.texts import percent_encoded
from tracegraph.domain.urls import http_url

_MAX_LENGTH = 2048
"""The number of characters that every browser accepts."""


_encoded = partial(percent_encoded, errors="replace")


class Studio:
    """The pages of one workspace. A list of sessions has a link in each row, so a link is built from few parts."""

    def __init__(self, web_url: str, workspace: str, *, has_sessions: bool = True) -> None:
        """Take the address of the service.

        Args:
            web_url: The address under which a browser reaches the service. An unusable one gives no links.
            workspace: The workspace.
            has_sessions: Whether the release has pages of sessions.
        """
        self._workspace_url = http_url(f"{web_url.rstrip('/')}/studio/workspaces/{_encoded(workspace)}")
        self._has_sessions = has_sessions

    def experiment(self, group_id: str, name: str) -> str | None:
        """Return the page of an experiment within a group."""
        return self._page(f"/experiment/{_encoded(group_id)}/{_encoded(name)}")

    def session(self, session_id: str, trace_id: str | None, span_id: str | None) -> str | None:
        """Return the page of a session, which opens its root span where that is known."""
        if not self._has_sessions:
            return None
        path = f"/intake/sessions/{_encoded(session_id)}"
        if not trace_id:
            return self._page(path)
        span = f"&spanId={_encoded(span_id)}" if span_id else ""
        return self._page(f"{path}?traceId={_encoded(trace_id)}{span}")

    def _page(self, path: str) -> str | None:
        if self._workspace_url is None or len(self._workspace_url) + len(path) > _MAX_LENGTH:
            return None
        return self._workspace_url + path
