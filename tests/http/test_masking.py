"""After a bug, a client gets a reference only. The log has the traceback under it, without secrets."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from tests.gateway import Vendors
from tracegraph.app import create_app
from tracegraph.domain.secrets import resolve
from tracegraph.http.middleware.error_handler import ErrorMaskingMiddleware
from tracegraph.observability.redaction import redact, redact_event
from tracegraph.simulators.core.servers import running

KEY = "a-configured-vendor-key-of-mine"


class Broken:
    """A part of the gateway that fails on every use."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(f"the inside, and {KEY}")


def assert_masked(response: httpx.Response, logs: Sequence[Mapping[str, Any]]) -> None:
    (error,) = response.json()["errors"]
    assert (response.status_code, error["message"]) == (500, "Internal error.")
    assert error["extensions"].keys() == {"code", "reference"}
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "inside" not in response.text
    assert response.headers["cache-control"] == "no-store"
    (entry,) = [one for one in logs if one["event"] == "graphql.unexpected_error"]
    assert entry["reference"] == error["extensions"]["reference"]
    assert isinstance(entry["exc_info"], KeyError)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/graphql", "response_cache"),
        ("/graphql", "access_control"),
        ("/readyz", "runner"),
        ("/metrics", "metrics"),
        ("/metrics", "access_control"),
    ],
)
async def test_a_bug_in_any_route_is_a_500_with_a_reference_to_the_log(
    vendors: Vendors, path: str, part: str
) -> None:
    app = create_app(vendors.settings())
    async with app.router.lifespan_context(app) as state:

        async def broken(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": {**(state or {}), part: Broken()}}, receive, send)

        transport = httpx.ASGITransport(broken)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            with capture_logs() as logs:
                response = await client.get(path, params={"query": "{ sources { name } }"})
    assert_masked(response, logs)


async def test_a_response_that_has_started_is_aborted() -> None:
    """A partial response must not look complete, so the server closes the connection."""

    async def half(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError(f"the inside, and {KEY}")

    with capture_logs() as logs:
        async with running(ErrorMaskingMiddleware(half)) as url, httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(url)
    assert [one["event"] for one in logs] == ["graphql.unexpected_error"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcdef.ghijkl-123", "abcdef.ghijkl-123"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ('{"Authorization": "Token opaque-1234"}', "opaque-1234"),
        ("x-api-key: key-of-somebody", "key-of-somebody"),
        ("('X-Api-Key', 'key-of-somebody')", "key-of-somebody"),
        ("[(b'x-api-key', b'key-of-somebody')]", "key-of-somebody"),
        ('["x-api-key", "key-of-somebody"]', "key-of-somebody"),
        ("api_key=key-of-somebody&limit=5", "key-of-somebody"),
        ("password='correct horse'", "correct"),
        ("cookie: session=123456", "session=123456"),
        ("redis://user:pass-word@redis:6379/0", "pass-word"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "eyJzdWIiOiJ4In0"),
        ("tg_" + "k" * 43, "kkkk"),
    ],
)
def test_text_with_the_form_of_a_credential_is_redacted(text: str, hidden: str) -> None:
    assert hidden not in redact(f"before {text} after")
    assert redact(f"before {text} after").startswith("before ")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:wo@rd@host/x",
        "https://user:wo/rd@host/x",
        "https://user:wo?rd@host",
        "https://user:wo#rd@host",
        "https://user:word@[::1]:8080/x",
        "https://user:word@host/@me",
        "https://user:@word@host",
        "https://word@host/x",
        "HTTPS://:word@host",
        "//user:word@host",
        "user:wo@rd@host/x",
        "user:word@host:5432/db?a=b",
        "https%3A%2F%2Fuser%3Awo%40rd%40host%2Fx",
        r"https:\/\/user:word@host\/x",
        "https://user:wo\nrd@host/x",
        r"https://user:wo\nrd@host/x",
        "https://user:wo rd@host/x",
        "https://user:wo'rd@host/x",
        'https://user:wo"rd@host/x',
        "(https://user:word@host/x),",
    ],
)
def test_no_part_of_a_password_in_a_url_is_left(url: str) -> None:
    text = redact(f"cannot reach {url} today")
    assert not {"wo", "rd", "user"} & set(re.split(r"[^a-z]", text))
    assert text.startswith("cannot reach ")
    assert text.endswith(" today")


def test_the_text_around_a_password_in_a_url_stays_readable() -> None:
    assert redact("https://user:pa@ss@host/x") == "https://[redacted]@host/x"
    assert redact("postgresql://user:pass@[::1]:5432/db") == "postgresql://[redacted]@[::1]:5432/db"


@given(
    st.lists(st.sampled_from(["word", *"@:/?#%[]\\&=+,;.-1"]), min_size=1, max_size=8).filter(
        lambda parts: "word" in parts
    )
)
def test_a_password_of_any_characters_of_a_url_is_hidden(parts: list[str]) -> None:
    assert "word" not in redact(f"x https://user:p{''.join(parts)}@host/y z")


@pytest.mark.parametrize(
    "text",
    [
        "Source 'nemo' cannot be reached.",
        "total_tokens=12345, keys: 3",
        "https://api.example/v2/agents?limit=100",
        "https://api.example:8080/users/@me?mail=a@b",
        "http://[::1]:8080/a@b",
        "https://api.example/users/a%40b",
        "http://127.0.0.1:8000 said no to somebody@example.org",
        "git@example.org:team/repository",
        '{"email": "somebody@example.org"}',
        "at 12:30:45 somebody@example.org",
        "KeyError: 'name'",
        "the bearer of this message",
        "its keys are: workspace, api_key, release, web_url.",
        'set password = "env:NAME" or api_key = "file:PATH"',
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_a_configured_secret_is_hidden_wherever_it_stands() -> None:
    resolve(SecretStr(KEY))
    event = {
        "event": f"x {KEY}",
        "detail": {"a": [KEY, 5, None, (f"<{KEY}>",)]},
        "object": SecretStr(KEY),
        "n": 1.5,
    }
    redacted = redact_event(None, "info", event)
    assert KEY not in repr(redacted)
    assert redacted["detail"]["a"][1:3] == [5, None]
    assert redacted["n"] == 1.5


def test_a_secret_of_a_few_letters_hides_no_words() -> None:
    resolve(SecretStr("err"))
    assert redact("an error") == "an error"


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_log_contains_the_traceback_of_a_bug_and_no_secret(form: str) -> None:
    script = (
        "import sys; from tracegraph.observability.logging import configure_logs\n"
        "from tracegraph.config.settings import LogSettings; from tracegraph.domain.secrets import resolve\n"
        "from tracegraph.graphql.errors import mask_exception\n"
        "key = resolve('env:MY_KEY').get_secret_value(); configure_logs(LogSettings(format=sys.argv[1]))\n"
        "try: raise KeyError(f'the inside {key}')\n"
        "except KeyError as bug: print(mask_exception(bug).extensions['reference'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, form],
        env={**os.environ, "MY_KEY": KEY},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in done.stderr
    assert "Traceback" in done.stderr
    assert "the inside [redacted]" in done.stderr
    assert KEY not in done.stderr
    if form == "json":
        assert json.loads(done.stderr)["event"] == "graphql.unexpected_error"


def test_records_of_libraries_have_the_same_format_without_secrets(tmp_path: Path) -> None:
    """The server and the event loop log exceptions with Python's logging."""
    script = (
        "import asyncio, logging; from tracegraph.observability.logging import configure_logs\n"
        "from tracegraph.config.settings import LogSettings; from tracegraph.domain.secrets import resolve\n"
        "key = resolve('env:MY_KEY').get_secret_value(); configure_logs(LogSettings(format='json'))\n"
        "async def bug(): raise KeyError(f'the inside {key}')\n"
        "async def main(): task = asyncio.create_task(bug()); await asyncio.sleep(0); del task\n"
        "asyncio.run(main())\n"
        "try: raise KeyError(f'the inside {key}')\n"
        "except KeyError: logging.getLogger('uvicorn.error').exception('Exception with %s', key)\n"
        "logging.getLogger('any').log(55, 'x'); logging.getLogger('any').log(33, 'y')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "MY_KEY": KEY},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["level"], line["logger"]) for line in lines] == [
        ("error", "asyncio"),
        ("error", "uvicorn.error"),
        ("critical", "any"),
        ("warning", "any"),
    ]
    assert all("the inside [redacted]" in line["exception"] for line in lines[:2])
    assert lines[1]["message"] == "Exception with [redacted]"
    assert KEY not in done.stderr
