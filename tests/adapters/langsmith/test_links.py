"""Addresses of LangSmith's web application."""

from typing import Any

import msgspec
import pytest
from tracegraph_langsmith.links import Links, source_url, web_url_of
from tracegraph_langsmith.wire import Run, TracerSession

PROJECT = TracerSession("p", tenant_id="t")


def run(**fields: Any) -> Run:
    return msgspec.convert({"id": "r", "session_id": "p", "start_time": "2026-11-01T09:00:00Z"} | fields, Run)


@pytest.mark.parametrize(
    ("base_url", "web_url"),
    [
        ("https://api.smith.langchain.com", "https://smith.langchain.com"),
        ("https://eu.api.smith.langchain.com", "https://eu.smith.langchain.com"),
        ("https://apac.api.smith.langchain.com", "https://apac.smith.langchain.com"),
        ("https://langsmith.example/", "https://langsmith.example"),
        ("https://example.test/smith", "https://example.test/smith"),
        ("http://127.0.0.1:1984", "http://localhost"),
        ("", None),
    ],
)
def test_the_address_follows_from_that_of_the_api(base_url: str, web_url: str | None) -> None:
    assert web_url_of(base_url) == web_url


def test_a_session_has_the_tenant_of_its_tracer_session() -> None:
    links = Links("https://smith.example", None)
    assert links.session(run()) is None
    assert links.experiment(PROJECT) == "https://smith.example/o/t/projects/p/p"
    assert links.session(run()) == "https://smith.example/o/t/projects/p/p/r/r?poll=true"


def test_the_configured_workspace_is_the_tenant_otherwise() -> None:
    links = Links("https://smith.example", "w")
    assert links.session(run()) == "https://smith.example/o/w/projects/p/p/r/r?poll=true"
    assert links.experiment(TracerSession("q")) == "https://smith.example/o/w/projects/p/q"


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("https://smith.example/o/1/r/2", "https://smith.example/o/1/r/2"),
        ("/o/1/projects/p/2/r/3", "https://smith.example/o/1/projects/p/2/r/3"),
        ("http://smith.example/x", "http://smith.example/x"),
        ("https:///x", None),
        ("https://[broken", None),
        ("javascript:alert(1)", None),
        (None, None),
    ],
)
def test_without_a_tenant_the_vendors_own_path_decides(path: str | None, url: str | None) -> None:
    assert Links("https://smith.example", None).session(run(app_path=path)) == url


def test_without_a_web_application_there_is_none() -> None:
    links = Links(None, "w")
    assert links.experiment(PROJECT) is None
    assert links.session(run(app_path="/o/1")) is None


@pytest.mark.parametrize(
    ("git", "expected"),
    [
        (
            {"remote_url": "https://github.com/acme/bot.git", "commit": "c0ffee1"},
            "https://github.com/acme/bot/commit/c0ffee1",
        ),
        (
            {"remote_url": "git@github.com:acme/bot.git", "commit": "c0ffee1"},
            "https://github.com/acme/bot/commit/c0ffee1",
        ),
        (
            {"remote_url": "ssh://git@gitlab.com/a/b/c.git", "commit": "c0ffee1"},
            "https://gitlab.com/a/b/c/-/commit/c0ffee1",
        ),
        (
            {"remote_url": "https://bitbucket.org/a/b/", "commit": "c0ffee1"},
            "https://bitbucket.org/a/b/commits/c0ffee1",
        ),
        ({"remote_url": "https://git.example.com/bot.git", "commit": "c0ffee1"}, "https://git.example.com/bot"),
        ({"remote_url": "https://github.com/acme/bot", "commit": None}, "https://github.com/acme/bot"),
        ({"remote_url": "https://github.com/acme/bot", "commit": "../../x"}, "https://github.com/acme/bot"),
        ({"remote_url": "https://me:key@github.com/acme/bot", "commit": "c0ffee1"}, None),
        ({"remote_url": "/srv/bot", "commit": "c0ffee1"}, None),
        ({"remote_url": 7}, None),
        ({}, None),
        ("main", None),
        (None, None),
    ],
)
def test_the_address_of_the_code_follows_from_the_recorded_repository(git: object, expected: str | None) -> None:
    assert source_url({"git": git}) == expected
