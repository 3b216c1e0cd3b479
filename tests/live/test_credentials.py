"""Real MLflow and Phoenix servers that ask for credentials: right ones list, wrong ones are UNAUTHORIZED."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.live.gateway import Gateway, gateway_of
from tests.live.service import LIVE
from tracegraph.real_servers.servers import MLFLOW, PHOENIX, running

pytestmark = pytest.mark.live

NAMES = """
    { experiments(first: 10) { nodes { name kind } sources { source { name } status error { code } } } }
"""


@contextmanager
def mlflow_with_users(password: str, folder: Path) -> Iterator[str]:
    """The address of an MLflow server with its own authentication, whose administrator has this password."""
    settings = folder / "auth.ini"
    settings.write_text(
        "[mlflow]\n"
        "default_permission = READ\n"
        f"database_uri = sqlite:///{folder / 'users.db'}\n"
        "admin_username = admin\n"
        f"admin_password = {password}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    server = replace(
        MLFLOW,
        command=lambda *place: [*MLFLOW.command(*place), "--app-name", "basic-auth"],
        name="MLflow with users",
    )
    key = secrets.token_hex()
    with running(
        server, LIVE, MLFLOW_AUTH_CONFIG_PATH=str(settings), MLFLOW_FLASK_SERVER_SECRET_KEY=key
    ) as opened:
        yield opened.url


def sources_of(vendor: str, url: str, credentials: dict[str, str]) -> list[str]:
    """One source for each credential, named by what the credential is."""
    return [
        f'[sources.{name}]\nvendor = "{vendor}"\nbase_url = "{url}"\n{options}\n'
        for name, options in credentials.items()
    ]


def statuses(gateway: Gateway) -> dict[str, str]:
    """The status of each source, or the code of its error."""
    page = gateway.answer(NAMES)["data"]["experiments"]
    return {
        one["source"]["name"]: one["error"]["code"] if one["error"] else one["status"] for one in page["sources"]
    }


def test_mlflows_own_users(client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default experiment is there for a user, and nothing for others."""
    password = secrets.token_urlsafe()
    monkeypatch.setenv("RIGHT", password)
    monkeypatch.setenv("WRONG", password[::-1])
    user = 'username = "admin"\npassword = "env:{}"'
    with mlflow_with_users(password, tmp_path) as url:
        sources = sources_of(
            "mlflow", url, {"right": user.format("RIGHT"), "wrong": user.format("WRONG"), "none": ""}
        )
        with gateway_of(sources, client, tmp_path) as gateway:
            assert statuses(gateway) == {"right": "OK", "wrong": "UNAUTHORIZED", "none": "UNAUTHORIZED"}
            assert {"name": "Default", "kind": "PROJECT"} in gateway.answer(NAMES)["data"]["experiments"]["nodes"]


def test_phoenix_with_authentication(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its administrator's secret is a key, too."""
    key = f"Aa1-{secrets.token_hex()}"
    monkeypatch.setenv("RIGHT", key)
    monkeypatch.setenv("WRONG", key[::-1])
    api_key = 'api_key = "env:{}"'
    variables = {
        "PHOENIX_ENABLE_AUTH": "true",
        "PHOENIX_SECRET": f"Bb2-{secrets.token_hex()}",
        "PHOENIX_ADMIN_SECRET": key,
    }
    with running(PHOENIX, LIVE, **variables) as server:
        credentials = {"right": api_key.format("RIGHT"), "wrong": api_key.format("WRONG"), "none": ""}
        with gateway_of(sources_of("phoenix", server.url, credentials), client, tmp_path) as gateway:
            assert statuses(gateway) == {"right": "OK", "wrong": "UNAUTHORIZED", "none": "UNAUTHORIZED"}
