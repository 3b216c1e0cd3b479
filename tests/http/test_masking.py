"""A bug tells a client a reference and nothing else; the log has the story under it, without secrets."""

import json
import os
import subprocess
import sys

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from tests.gateway import Vendors
from tracegraph.app import create_app
from tracegraph.redaction import redacted, without_secrets
from tracegraph.secrets import resolve

KEY = "a-configured-vendor-key-of-mine"


class Broken:
    """Gives no answers, but has a bug."""

    async def to(self, _: object) -> None:
        raise KeyError(f"the inside, and {KEY}")


async def test_a_bug_at_the_door_is_a_500_with_a_reference_that_the_log_knows(vendors: Vendors) -> None:
    app = create_app(vendors.settings())
    async with app.router.lifespan_context(app) as state:

        async def broken(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": {**(state or {}), "answers": Broken()}}, receive, send)

        transport = httpx.ASGITransport(broken)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            with capture_logs() as logs:
                response = await client.post("/graphql", json={"query": "{ sources { name } }"})
    (error,) = response.json()["errors"]
    assert (response.status_code, error["message"]) == (500, "Internal error.")
    assert error["extensions"].keys() == {"code", "reference"}
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "inside" not in response.text
    (entry,) = [one for one in logs if one["event"] == "graphql.unexpected_error"]
    assert entry["reference"] == error["extensions"]["reference"]
    assert isinstance(entry["exc_info"], KeyError)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Authorization: Bearer abcdef.ghijkl-123", "abcdef.ghijkl-123"),
        ("{'authorization': 'Basic dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
        ('{"Authorization": "Token opaque-1234"}', "opaque-1234"),
        ("x-api-key: key-of-somebody", "key-of-somebody"),
        ("('X-Api-Key', 'key-of-somebody')", "key-of-somebody"),
        ("[(b'x-api-key', b'key-of-somebody')]", "key-of-somebody"),
        ("api_key=key-of-somebody&limit=5", "key-of-somebody"),
        ("password='correct horse'", "correct"),
        ("cookie: session=123456", "session=123456"),
        ("redis://user:pass-word@redis:6379/0", "pass-word"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "eyJzdWIiOiJ4In0"),
        ("tg_" + "k" * 43, "kkkk"),
    ],
)
def test_what_looks_like_a_credential_is_hidden(text: str, hidden: str) -> None:
    assert hidden not in redacted(f"before {text} after")
    assert redacted(f"before {text} after").startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "Source 'nemo' cannot be reached.",
        "total_tokens=12345, keys: 3",
        "https://api.example/v2/agents?limit=100",
        "KeyError: 'name'",
        "the bearer of this message",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


def test_a_configured_secret_is_hidden_wherever_it_stands() -> None:
    resolve(SecretStr(KEY))
    event = {
        "event": f"x {KEY}",
        "detail": {"a": [KEY, 5, None, (f"<{KEY}>",)]},
        "object": SecretStr(KEY),
        "n": 1.5,
    }
    shown = without_secrets(None, "info", event)
    assert KEY not in repr(shown)
    assert shown["detail"]["a"][1:3] == [5, None]
    assert shown["n"] == 1.5


def test_a_secret_of_a_few_letters_hides_no_words() -> None:
    resolve(SecretStr("err"))
    assert redacted("an error") == "an error"


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_log_as_it_is_written_holds_a_bugs_story_and_no_secret(form: str) -> None:
    script = (
        "import sys; from tracegraph.logs import configure_logs; from tracegraph.settings import LogSettings\n"
        "from tracegraph.secrets import resolve; from tracegraph.graphql.failures import masked\n"
        "key = resolve('env:MY_KEY').get_secret_value(); configure_logs(LogSettings(format=sys.argv[1]))\n"
        "try: raise KeyError(f'the inside {key}')\n"
        "except KeyError as bug: print(masked(bug).extensions['reference'])\n"
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
