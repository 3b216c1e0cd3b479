"""Nobody reads with the gateway's keys unasked, unless that was said aloud; and `tracegraph key new`."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.cli.configurations import GOOD, written
from tracegraph.app import INSECURE, create_configured_app
from tracegraph.cli import _app
from tracegraph.config.auth import AuthTable, KeyTable
from tracegraph.config.loader import load_settings
from tracegraph.errors import ConfigurationError
from tracegraph.http.auth.api_keys import hash_key, new_key, toml_table

runner = CliRunner()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_API_KEY", "one")
    monkeypatch.setenv("MEIBEL_API_KEY", "two")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "gateway.example"])  # noqa: S104 - what is refused
@pytest.mark.parametrize("workers", ["1", "2"])
def test_serving_beyond_this_machine_without_authentication_is_refused(
    tmp_path: Path, host: str, workers: str
) -> None:
    path = written(tmp_path, GOOD + f"[server]\nhost = '{host}'\n")
    refused = runner.invoke(_app, ["serve", "--config", str(path), "--port", "0", "--workers", workers])
    assert refused.exit_code == 2
    assert "without authentication" in refused.stderr
    assert "--insecure" in refused.stderr


def test_so_it_is_when_the_environment_names_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEGRAPH_SERVER__HOST", "0.0.0.0")  # noqa: S104
    refused = runner.invoke(_app, ["serve", "--config", str(written(tmp_path, GOOD)), "--port", "0"])
    assert refused.exit_code == 2
    assert "without authentication" in refused.stderr


def test_the_environment_may_hold_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEGRAPH_AUTH__KEYS__DASHBOARD__SHA256", "0" * 64)
    monkeypatch.setenv("TRACEGRAPH_AUTH__KEYS__DASHBOARD__SOURCES", '["langsmith"]')
    monkeypatch.setenv("TRACEGRAPH_AUTH__REQUESTS_PER_MINUTE", "60")
    auth = load_settings(written(tmp_path, GOOD)).auth
    assert auth.is_on
    assert auth.keys["dashboard"].sources == ("langsmith",)
    assert auth.requests_per_minute == 60


def test_a_new_key_is_shown_once_with_the_lines_that_make_the_gateway_know_it(tmp_path: Path) -> None:
    made = runner.invoke(_app, ["key", "new", "board of directors"])
    assert made.exit_code == 0
    key, _, lines = made.stdout.partition("\n")
    settings = load_settings(written(tmp_path, GOOD + lines))
    assert settings.auth.keys["board of directors"].sha256 == hash_key(key)
    assert key not in str(tomllib.loads(lines))
    assert settings.auth.is_on


@given(name=st.text())
@example(name="😀")
@example(name='a "b".c\\d\n[e]\x7f\x00')
@example(name="Zoë\u2028\ufeff")
def test_the_table_of_a_new_key_can_be_read_whatever_its_name(name: str) -> None:
    key = new_key()
    table = toml_table(name, key)
    assert table.isascii()
    settings = AuthTable.model_validate(tomllib.loads(table)["auth"])
    assert settings.keys == {name: KeyTable(sha256=hash_key(key))}


def test_a_name_of_any_characters_is_printed_as_toml_for_any_terminal(tmp_path: Path) -> None:
    ascii_only = CliRunner(charset="ascii")
    made = ascii_only.invoke(_app, ["key", "new", "😀"])
    assert made.exit_code == 0
    key, _, lines = made.stdout.partition("\n")
    assert load_settings(written(tmp_path, GOOD + lines)).auth.keys["😀"].sha256 == hash_key(key)


def test_a_name_that_is_no_text_is_refused_before_a_key_is_shown() -> None:
    refused = runner.invoke(_app, ["key", "new", "\udcff"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "choose another" in refused.stderr


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("true", 200),
        ("YES", 200),
        ("1", 200),
        ("on", 200),
        ("false", 421),
        ("0", 421),
        ("No", 421),
        ("off", 421),
        ("", 421),
        (" ", 421),
        (None, 421),
    ],
)
def test_the_environment_says_insecure_by_its_value_not_by_being_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, status: int
) -> None:
    """Where nobody sees to foreign names, a request that comes by one is answered with 421."""
    monkeypatch.setenv("TRACEGRAPH_CONFIG", str(written(tmp_path, GOOD)))
    if value is None:
        monkeypatch.delenv(INSECURE, raising=False)
    else:
        monkeypatch.setenv(INSECURE, value)
    client = TestClient(create_configured_app(), base_url="http://foreign.example")
    assert client.get("/graphql", headers={"accept": "text/html"}).status_code == status


def test_another_value_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEGRAPH_CONFIG", str(written(tmp_path, GOOD)))
    monkeypatch.setenv(INSECURE, "perhaps")
    with pytest.raises(ConfigurationError, match=r"TRACEGRAPH_INSECURE must be true or false, not 'perhaps'\."):
        create_configured_app()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[auth.keys.a]\n", "auth.keys.a.sha256 is missing"),
        ("[auth.keys.a]\nsha256 = 'tg_mine'\n", "auth.keys.a.sha256 cannot be used"),
        ("[auth.keys.a]\nhash = 'x'\n", "auth.keys.a.sha256 is missing"),
        (f"[auth.keys.a]\nsha256 = '{'0' * 64}'\nsorces = []\n", "[auth.keys.a] takes: requests_per_minute"),
        (
            f"[auth.keys.a]\nsha256 = '{'0' * 64}'\nsources = ['lang']\n",
            "'lang', which is not a configured source",
        ),
        (
            "[auth.jwt]\nissuer = 'i'\naudience = 'a'\njwks = 'http://keys.example'\n",
            "auth.jwt.jwks cannot be used",
        ),
        (
            "[auth.jwt]\nissuer = 'i'\naudience = 'a'\njwks = 'file:k'\nalgorithms = ['HS256']\n",
            "auth.jwt.algorithms.0 cannot be used",
        ),
        (
            "[auth.jwt]\nissuer = 'i'\naudience = 'a'\njwks = 'file:k'\nalgorithms = ['none']\n",
            "auth.jwt.algorithms.0 cannot be used",
        ),
        (
            f"[auth.keys.a]\nsha256 = '{'0' * 64}'\n[auth.keys.b]\nsha256 = '{'0' * 64}'\n",
            "a and b have the same sha256",
        ),
        ("[auth.jwt]\nissuer = 'i'\naudience = 'a'\njwks = 'https://a:99999/'\n", "auth.jwt.jwks cannot be used"),
        ("[auth]\nmode = 'none'\n", "auth.mode is not a setting; [auth] takes:"),
    ],
)
def test_authentication_that_cannot_be_meant_is_refused_with_its_key(
    tmp_path: Path, table: str, said: str
) -> None:
    refused = runner.invoke(_app, ["serve", "--config", str(written(tmp_path, GOOD + table)), "--port", "0"])
    assert refused.exit_code == 2
    assert said in refused.stderr
