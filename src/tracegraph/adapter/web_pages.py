"""Addresses of a vendor's user interface; templates of its pages for vendors without a rule for them.

class Options(StrictOptions):
    web_url: SessionPage | None = None
    experiment_web_url: ExperimentPage | None = None

pages = WebPages(options.web_url, options.experiment_web_url)
Session(..., url=pages.session(agent_id, session_id))
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated

from pydantic import AfterValidator

from tracegraph.domain.texts import percent_encoded
from tracegraph.domain.urls import http_url

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


_HOST = re.compile(r"https?://[^/{}?#]+/")


_encoded = partial(percent_encoded, errors="replace")


def _checked(template: str, allowed: tuple[str, ...], required: str) -> str:
    """Return the template.

    Raises:
        ValueError: For an unknown placeholder, without the required one, and for what is no address of a page.
    """
    names = _PLACEHOLDER.findall(template)
    known = ", ".join(f"{{{name}}}" for name in allowed)
    for name in names:
        if name not in allowed:
            raise ValueError(f"{{{name}}} is not a placeholder: it may contain {known}")
    if required not in names:
        raise ValueError(f"it must contain {{{required}}}, such as https://app.example.com/{{{required}}}")
    example = _PLACEHOLDER.sub("id", template)
    if "{" in example or "}" in example:
        raise ValueError(f"it has a brace that belongs to no placeholder: it may contain {known}")
    if _HOST.match(template) is None or http_url(example) is None:
        raise ValueError("it must be an address that a browser can open, with the placeholders behind its host")
    return template


def _session_page(template: str) -> str:
    return _checked(template, ("experiment_id", "session_id", "trace_id"), "session_id")


def _experiment_page(template: str) -> str:
    return _checked(template, ("experiment_id",), "experiment_id")


def _web_address(address: str) -> str:
    if http_url(address) is None:
        raise ValueError("it must be an address that a browser can open, such as https://app.example.com")
    return address


WebAddress = Annotated[str, AfterValidator(_web_address)]
"""Where a browser reaches a vendor's user interface, for vendors with a rule for the pages below it."""


SessionPage = Annotated[str, AfterValidator(_session_page)]
"""A template with `{session_id}`, and perhaps `{experiment_id}` and `{trace_id}`."""


ExperimentPage = Annotated[str, AfterValidator(_experiment_page)]
"""A template with `{experiment_id}`."""


class WebPages:
    """The addresses of sessions and experiments by the templates of a source. Ids are percent-encoded."""

    def __init__(self, session: str | None = None, experiment: str | None = None) -> None:
        """Take checked templates.

        Args:
            session: A `SessionPage`, or None.
            experiment: An `ExperimentPage`, or None.
        """
        self._session = session
        self._experiment = experiment
        self._needs_trace = session is not None and "{trace_id}" in session

    def session(self, experiment_id: str, session_id: str, trace_id: str | None = None) -> str | None:
        """Return the page of a session; None without a template, and where a part of the address is unknown.

        Args:
            experiment_id: The `ref` of the experiment.
            session_id: The session's id.
            trace_id: The id of its trace.
        """
        if self._session is None or (self._needs_trace and not trace_id):
            return None
        return http_url(
            self._session.format(
                experiment_id=_encoded(experiment_id),
                session_id=_encoded(session_id),
                trace_id=_encoded(trace_id or ""),
            )
        )

    def experiment(self, experiment_id: str) -> str | None:
        """Return the page of an experiment, None without a template.

        Args:
            experiment_id: The `ref` of the experiment.
        """
        if self._experiment is None:
            return None
        return http_url(self._experiment.format(experiment_id=_encoded(experiment_id)))
