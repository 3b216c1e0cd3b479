"""The address of Phoenix, and of the pages of its user interface (docs/vendors/phoenix.md#links)."""

from __future__ import annotations

from tracegraph.domain.texts import percent_encoded
from tracegraph.domain.urls import http_url

_PATHS = ("/v1/traces", "/v1", "/graphql")


def normalize_base_url(url: str) -> str:
    """Return the address of the server, without the path of its OTLP, REST or GraphQL interface."""
    plain = url.rstrip("/")
    path = next((path for path in _PATHS if plain.endswith(path)), "")
    return plain.removesuffix(path)


class Links:
    """The pages of one server. `web_url` is the address under which a browser reaches it."""

    def __init__(self, web_url: str) -> None:
        self._web_url = web_url.rstrip("/")

    def project(self, project_id: str) -> str | None:
        """Return the page of a project."""
        return self._page("projects", project_id)

    def experiment(self, dataset_id: str | None, experiment_id: str) -> str | None:
        """Return the page of an experiment, which compares those of a dataset."""
        if dataset_id is None:
            return None
        page = self._page("datasets", dataset_id)
        return None if page is None else http_url(f"{page}/compare?experimentId={percent_encoded(experiment_id)}")

    def trace(self, trace_id: str | None) -> str | None:
        """Return the page of a trace."""
        return None if trace_id is None else self._page("redirects/traces", trace_id)

    def span(self, span_id: str) -> str | None:
        """Return the page of a span."""
        return self._page("redirects/spans", span_id)

    def _page(self, path: str, name: str) -> str | None:
        return http_url(f"{self._web_url}/{path}/{percent_encoded(name, errors='replace')}")
