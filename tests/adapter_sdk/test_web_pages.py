"""Templates of the addresses of a vendor's pages."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.adapter import ExperimentPage, SessionPage, SourceSettings, StrictOptions, WebPages
from tracegraph.errors import ConfigurationError

SESSION = "https://app.example.com/agents/{experiment_id}/sessions/{session_id}"
EXPERIMENT = "https://app.example.com/agents/{experiment_id}"


class Options(StrictOptions):
    """The settings of an adapter."""

    web_url: SessionPage | None = None
    experiment_web_url: ExperimentPage | None = None


def read(**options: str) -> Options:
    return SourceSettings("acme", "acme", options).read(Options)


def test_a_template_becomes_the_address_of_a_session() -> None:
    pages = WebPages(read(web_url=SESSION).web_url)
    assert pages.session("a", "s") == "https://app.example.com/agents/a/sessions/s"
    assert pages.experiment("a") is None


def test_a_template_becomes_the_address_of_an_experiment() -> None:
    pages = WebPages(experiment=read(experiment_web_url=EXPERIMENT).experiment_web_url)
    assert pages.experiment("a") == "https://app.example.com/agents/a"
    assert pages.session("a", "s") is None


def test_a_part_of_the_query_or_the_fragment_may_be_an_id() -> None:
    pages = WebPages(read(web_url="http://localhost:8080/#/runs?id={session_id}&trace={trace_id}").web_url)
    assert pages.session("a", "s", "t") == "http://localhost:8080/#/runs?id=s&trace=t"
    assert pages.session("a", "s") is None


@given(experiment=st.text(min_size=1, max_size=30), session=st.text(min_size=1, max_size=30))
def test_an_id_never_becomes_more_than_its_own_segment(experiment: str, session: str) -> None:
    """Dots, slashes, question marks and braces of an id are data."""
    address = WebPages(SESSION).session(experiment, session)
    assert address is not None
    parts = urlsplit(address)
    _, agents, first, sessions, last = parts.path.split("/")
    assert (parts.netloc, agents, sessions, parts.query, parts.fragment) == (
        "app.example.com",
        "agents",
        "sessions",
        "",
        "",
    )
    assert (unquote(first), unquote(last)) == (experiment, session)


def test_a_lone_surrogate_of_an_id_leads_to_no_error() -> None:
    assert WebPages(SESSION).session("a", "\ud800") == "https://app.example.com/agents/a/sessions/%3F"


def test_an_address_that_is_too_long_for_a_browser_is_none() -> None:
    assert WebPages(SESSION).session("a", "s" * 2100) is None


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("https://app.example.com/{agent}/{session_id}", r"\{agent\} is not a placeholder"),
        ("https://app.example.com/{session_id!r}", r"\{session_id!r\} is not a placeholder"),
        ("https://app.example.com/{session_id:x}", r"\{session_id:x\} is not a placeholder"),
        ("https://app.example.com/{}", r"\{\} is not a placeholder"),
        ("https://app.example.com/{experiment_id}", r"it must contain \{session_id\}"),
        ("https://app.example.com", r"it must contain \{session_id\}"),
        ("https://app.example.com/{{session_id}}", "a brace that belongs to no placeholder"),
        ("https://app.example.com/{session_id}/{", "a brace that belongs to no placeholder"),
        ("https://{session_id}.example.com/", "behind its host"),
        ("https://app.example.com{session_id}/", "behind its host"),
        ("ftp://app.example.com/{session_id}", "an address that a browser can open"),
        ("https://user:key@app.example.com/{session_id}", "an address that a browser can open"),
        ("https://app.example.com/a b/{session_id}", "an address that a browser can open"),
        ("/sessions/{session_id}", "an address that a browser can open"),
    ],
)
def test_an_invalid_template_is_an_error_of_the_configuration(template: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"sources\.acme\.web_url cannot be used: .*{problem}"):
        read(web_url=template)


def test_the_address_of_an_experiment_has_no_session() -> None:
    with pytest.raises(ConfigurationError, match=r"experiment_web_url cannot be used: \{session_id\} is not"):
        read(experiment_web_url=SESSION)
