"""The proxy of a source: by setting, or from the environment where the source trusts it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.cli.configurations import written
from tracegraph.commands.check import run_check
from tracegraph.config.loader import load
from tracegraph.domain.secrets import resolved_secrets

SOURCE = '[sources.x]\nvendor = "nemo"\nbase_url = "https://vendor.invalid"\n'
PASSWORD = "pass/word-never-to-be-shown"


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names no proxy but those of the test."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


async def targets_of_a_check(
    folder: Path, source: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], str]:
    """The targets that a proxy is asked for by `tracegraph check`, and what the check says of the source."""
    targets: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        targets.append(head.split(b"\r\n")[0].decode())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        proxy = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("PROXY", proxy))
        loaded = load(written(folder, source.replace("PROXY", proxy)))
        (checked,) = (await run_check(loaded)).sources
    assert checked.trouble is not None
    return targets, checked.trouble


@pytest.mark.parametrize(
    ("setting", "variables"),
    [
        ('proxy = "http://PROXY"', {}),
        pytest.param('proxy = "http://PROXY"', {"HTTPS_PROXY": "http://127.0.0.1:1"}, marks=pytest.mark.slow),
        ('proxy = "env:OURS"', {"OURS": "http://gateway:secret-of-ours@PROXY"}),
        ("trust_env = true", {"HTTPS_PROXY": "http://PROXY"}),
        pytest.param("trust_env = true", {"https_proxy": "PROXY"}, marks=pytest.mark.slow),
        ("trust_env = true", {"ALL_PROXY": "http://PROXY", "NO_PROXY": "other.invalid"}),
    ],
)
async def test_a_source_is_called_through_its_proxy(
    tmp_path: Path, setting: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    targets, trouble = await targets_of_a_check(tmp_path, SOURCE + setting, variables, monkeypatch)
    assert set(targets) == {"CONNECT vendor.invalid:443 HTTP/1.1"}
    assert "the proxy refused the connection" in trouble


@pytest.mark.parametrize(
    ("setting", "variables"),
    [
        ("", {"HTTPS_PROXY": "http://PROXY"}),
        ("trust_env = true", {"HTTP_PROXY": "http://PROXY"}),
        ("trust_env = true", {"HTTPS_PROXY": "http://PROXY", "NO_PROXY": ".invalid"}),
    ],
)
async def test_a_source_is_called_directly_without_one(
    tmp_path: Path, setting: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    targets, trouble = await targets_of_a_check(tmp_path, SOURCE + setting, variables, monkeypatch)
    assert targets == []
    assert "DNS does not resolve the host" in trouble


def test_the_password_of_a_proxy_is_hidden_from_the_logs(tmp_path: Path) -> None:
    secret = tmp_path / "proxy"
    secret.write_text(f"http://gateway:{PASSWORD.replace('/', '%2F')}@proxy.example:3128")
    loaded = load(written(tmp_path, SOURCE + 'proxy = "file:proxy"'), {})
    assert {PASSWORD, PASSWORD.replace("/", "%2F")} <= resolved_secrets()
    assert PASSWORD.replace("/", "%2F") not in repr(loaded.settings)
    assert "word-never" not in repr(loaded.settings.sources["x"].transport_settings(10.0))
