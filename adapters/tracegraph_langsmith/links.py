"""Addresses of pages in LangSmith's web application, by the rule of its own client.

See docs/vendors/langsmith.md#pages.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tracegraph.adapter import LRU
from tracegraph.domain.urls import http_url
from tracegraph_langsmith.v2_wire import Run as RunV2
from tracegraph_langsmith.wire import Run, TracerSession

_CLOUD = ".langchain.com"
_REGIONS = ("eu", "aws", "apac", "dev", "beta")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_PROJECTS = 10_000


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

    They contain the id of the tenant. It is the configured `tenant_id`, else that of the tracer session's row: the
    rows of runs lack it. So the tenants of the latest tracer sessions are remembered.
    """

    def __init__(self, web_url: str | None, tenant_id: str | None) -> None:
        self._web_url = None if web_url is None else web_url.rstrip("/")
        self._tenant_id = tenant_id
        self._tenants = LRU[str, str](_MAX_PROJECTS)

    def experiment(self, row: TracerSession) -> str | None:
        """Return the address of a tracer session, None if a part of it is unknown."""
        tenant_id = row.tenant_id or self._tenant_id
        if tenant_id is None:
            return None
        self._tenants.put(row.id, tenant_id)
        return self._project(tenant_id, row.id)

    def session(self, run: Run | RunV2) -> str | None:
        """Return the address of a root run: by the tenant, else from the vendor's own path."""
        address = http_url(run.app_path)
        if address is not None:
            return address
        tenant_id = self._tenants.get(run.session_id or "") or self._tenant_id
        if tenant_id is not None and run.session_id is not None:
            project = self._project(tenant_id, run.session_id)
            return project and f"{project}/r/{run.id}?poll=true"
        is_path = run.app_path is not None and run.app_path.startswith("/")
        return http_url(f"{self._web_url}{run.app_path}") if is_path and self._web_url is not None else None

    def _project(self, tenant_id: str, project_id: str) -> str | None:
        return http_url(f"{self._web_url}/o/{tenant_id}/projects/p/{project_id}") if self._web_url else None
