"""Addresses of pages in LangSmith's web application, by the rule of its own client.

See docs/vendors/langsmith.md#pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tracegraph.adapter import commit_url
from tracegraph.domain.urls import http_url
from tracegraph_langsmith.wire import Run, TracerSession

_CLOUD = ".langchain.com"
_REGIONS = ("eu", "aws", "apac", "dev", "beta")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def web_url_of(base_url: str) -> str | None:
    """Return the address of the web application that belongs to the address of an API, without `/api`."""
    host = urlsplit(base_url).hostname
    if not host:
        return None
    if host in _LOCAL:
        return "http://localhost"
    if not host.endswith(_CLOUD):  # a self-hosted LangSmith has one host
        return base_url.rstrip("/")
    region = host.split(".")[0]
    return f"https://{region}.smith.langchain.com" if region in _REGIONS else "https://smith.langchain.com"


class Links:
    """The addresses of experiments and sessions.

    They contain the id of the tenant. It is the configured `tenant_id`, else that of the rows of tracer sessions:
    the rows of runs lack it. A key belongs to one tenant, so the first row tells the tenant of all runs.
    """

    def __init__(self, web_url: str | None, tenant_id: str | None) -> None:
        self._web_url = None if web_url is None else web_url.rstrip("/")
        self._tenant_id = tenant_id

    @property
    def needs_tenant(self) -> bool:
        """Return whether addresses of sessions are unknown until a tracer session was read."""
        return self._tenant_id is None and self._web_url is not None

    def experiment(self, row: TracerSession) -> str | None:
        """Return the address of a tracer session, None if a part of it is unknown."""
        tenant_id = row.tenant_id or self._tenant_id
        if tenant_id is None:
            return None
        self._tenant_id = self._tenant_id or tenant_id
        return self._project(tenant_id, row.id)

    def session(self, run: Run) -> str | None:
        """Return the address of a root run of v1: the vendor's own path, else by the tenant.

        In v2, `app_path` is a location in the application's code, and no address.
        """
        address = http_url(run.app_path)
        if address is not None:
            return address
        if self._tenant_id is not None:
            return self.run(run.session_id, run.id)
        is_path = run.app_path is not None and run.app_path.startswith("/")
        return http_url(f"{self._web_url}{run.app_path}") if is_path and self._web_url is not None else None

    def run(self, project_id: str, run_id: str) -> str | None:
        """Return the address of a root run by the tenant, None if a part of it is unknown."""
        project = None if self._tenant_id is None else self._project(self._tenant_id, project_id)
        return f"{project}/r/{run_id}?poll=true" if project else None

    def _project(self, tenant_id: str, project_id: str) -> str | None:
        return http_url(f"{self._web_url}/o/{tenant_id}/projects/p/{project_id}") if self._web_url else None


def source_url(metadata: Mapping[str, Any]) -> str | None:
    """Return the address of the code that ran, which the vendor's client records: a commit, else its repository.

    See docs/vendors/langsmith.md#pages.
    """
    git = metadata.get("git")
    return commit_url(git.get("remote_url"), git.get("commit")) if isinstance(git, dict) else None
