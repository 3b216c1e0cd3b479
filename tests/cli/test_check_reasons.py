"""`tracegraph check` says why a source or a service cannot be used: in our words, without an address."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from typer.testing import CliRunner

from tests.certificates import Authority
from tests.cli.configurations import written
from tests.cli.conftest import Running
from tests.cli.test_config_commands import JWKS
from tests.cli.wrong_configurations import JWT
from tests.examples import slow_but
from tests.processes import environment
from tests.redis_server import COMMAND, RedisServer
from tracegraph import cli
from tracegraph.commands.check import CheckResults, run_check
from tracegraph.config.loader import load
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld

QUICKLY = "[sources.x.retry]\nattempts = 1\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.new(tmp_path)


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port where nobody answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def checked(folder: Path, url: str, more: str = "", tables: str = "") -> CheckResults:
    source = f'[sources.x]\nvendor = "nemo"\nbase_url = "{url}"\n{more}\n{QUICKLY}{tables}'
    return await run_check(load(written(folder, source), {}))


async def trouble(folder: Path, url: str, more: str = "") -> str | None:
    """What is said of a source at that address."""
    results = await checked(folder, url, more)
    (source,) = results.sources
    assert results.usable is (source.trouble is None)
    assert source.trouble is None or ("127.0.0.1" not in source.trouble and "\n" not in source.trouble)
    return source.trouble


# -- why there is no connection --------------------------------------------------------------------------


async def test_an_authority_of_ones_own_is_trusted_by_ca_file(tmp_path: Path, authority: Authority) -> None:
    """Its path is relative to the configuration."""
    async with running(nemo.create_app(NemoWorld()), tls=authority.server()) as url:
        assert await trouble(tmp_path, url, 'ca_file = "ca.pem"') is None


def hash_of_subject(authority: Authority) -> str:
    """The name by which OpenSSL finds a certificate in a folder."""
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.ca_file)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


@pytest.mark.parametrize("variable", slow_but(["SSL_CERT_FILE"], ["SSL_CERT_FILE", "SSL_CERT_DIR"]))
async def test_an_authority_of_ones_own_is_trusted_by_the_environment(
    tmp_path: Path, authority: Authority, variable: str
) -> None:
    """As a process: which authorities are trusted is read once."""
    folder = tmp_path / "authorities"
    folder.mkdir()
    (folder / f"{hash_of_subject(authority)}.0").write_bytes(authority.ca_file.read_bytes())
    trusted = authority.ca_file if variable == "SSL_CERT_FILE" else folder
    async with running(nemo.create_app(NemoWorld()), tls=authority.server()) as url:
        path = written(tmp_path, f'[sources.x]\nvendor = "nemo"\nbase_url = "{url}"\n')
        command = [sys.executable, "-m", "tracegraph", "check", "--config", str(path), "--json"]
        done = await asyncio_run(command, environment() | {variable: str(trusted)})
    assert json.loads(done)["usable"] is True


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ({}, "TLS failed: its certificate was issued by an unknown authority: name the authority in ca_file"),
        ({"self_signed": True}, "TLS failed: its certificate is self-signed: name the certificate in ca_file"),
        ({"expired": True}, "TLS failed: its certificate has expired"),
        ({"host": "192.0.2.1"}, "TLS failed: its certificate is for another host"),
    ],
    ids=["unknown authority", "self-signed", "expired", "another host"],
)
async def test_the_reason_why_a_certificate_is_refused_is_given(
    tmp_path: Path, authority: Authority, certificate: dict[str, object], reason: str
) -> None:
    trusts = 'ca_file = "ca.pem"' if {"expired", "host"} & certificate.keys() else ""
    async with running(nemo.create_app(NemoWorld()), tls=authority.server(**certificate)) as url:  # type: ignore[arg-type]
        assert reason in (await trouble(tmp_path, url, trusts) or "")


async def test_a_server_without_tls_is_recognized(tmp_path: Path) -> None:
    async with running(nemo.create_app(NemoWorld())) as url:
        said = await trouble(tmp_path, url.replace("http:", "https:"))
    assert said is not None
    assert "TLS failed" in said


async def test_a_port_where_nobody_listens_is_a_refused_connection(tmp_path: Path, nobody: int) -> None:
    said = await trouble(tmp_path, f"http://127.0.0.1:{nobody}")
    assert said == (
        "Source 'x' cannot be reached, or closed the connection early: "
        "the connection was refused: nothing listens on the port."
    )


async def test_a_host_that_does_not_exist_is_dns(tmp_path: Path) -> None:
    assert "DNS does not resolve the host" in (await trouble(tmp_path, "https://nowhere.invalid") or "")


# -- an address that is another's ------------------------------------------------------------------------


async def page(_: object) -> PlainTextResponse:
    return PlainTextResponse("<html>", media_type="text/html")


async def elsewhere(_: object) -> RedirectResponse:
    return RedirectResponse("/login")


@pytest.mark.parametrize(
    "app",
    [
        Starlette(),
        Starlette(routes=[Route("/{path:path}", page)]),
        Starlette(routes=[Route("/{path:path}", elsewhere)]),
    ],
    ids=["404", "a page", "a redirect"],
)
async def test_where_the_api_is_not_the_address_is_named(tmp_path: Path, app: ASGIApp) -> None:
    async with running(app) as url:
        said = await trouble(tmp_path, url)
    assert said is not None
    assert said.endswith(" Is sources.x.base_url right?")


async def test_a_version_of_nemo_is_not_blamed_alone_for_a_wrong_path(tmp_path: Path) -> None:
    async with running(nemo.create_app(NemoWorld())) as url:
        said = await trouble(tmp_path, f"{url}/somewhere")
    assert said is not None
    assert "sources.x.base_url" in said


# -- services --------------------------------------------------------------------------------------------


def services(results: CheckResults) -> dict[str, str | None]:
    return {one.name: one.trouble for one in results.services}


@asynccontextmanager
async def source() -> AsyncIterator[str]:
    async with running(nemo.create_app(NemoWorld())) as url:
        yield url


async def test_services_that_cannot_be_reached_are_said_to_be_so(tmp_path: Path, nobody: int) -> None:
    tables = (
        f'[cache]\nurl = "redis://127.0.0.1:{nobody}/0"\n'
        f'{JWT}jwks = "http://127.0.0.1:{nobody}/keys"\n'
        f'[tracing]\nenabled = true\nendpoint = "http://127.0.0.1:{nobody}/v1/traces"\n'
    )
    async with source() as url:
        results = await checked(tmp_path, url, tables=tables)
    refused = "the connection was refused: nothing listens on the port"
    assert services(results) == {
        "redis": f"Redis cannot be used: {refused}; see cache.url.",
        "jwks": f"The provider's keys cannot be fetched: {refused}; see auth.jwt.jwks.",
        "tracing": f"The collector cannot be reached: {refused}; see tracing.endpoint.",
    }
    assert [one.usable for one in results.sources] == [True]
    assert not results.usable


async def test_keys_and_a_collector_that_answer_are_reachable(tmp_path: Path) -> None:
    async def keys(_: object) -> PlainTextResponse:
        return PlainTextResponse(JWKS)

    async def traces(_: object) -> PlainTextResponse:
        return PlainTextResponse("", status_code=415)

    app = Starlette(routes=[Route("/keys", keys), Route("/v1/traces", traces, methods=["POST"])])
    async with source() as url, running(app) as others:
        tables = f'{JWT}jwks = "{others}/keys"\n[tracing]\nenabled = true\nendpoint = "{others}/v1/traces"\n'
        results = await checked(tmp_path, url, tables=tables)
        assert services(results) == {"jwks": None, "tracing": None}
        tables = tables.replace("/keys", "/wrong").replace("/v1/traces", "/wrong")
        wrong = services(await checked(tmp_path, url, tables=tables))
    assert wrong["jwks"] == "The provider's keys cannot be fetched: it answered with 404; see auth.jwt.jwks."
    assert "404" in (wrong["tracing"] or "")


@pytest.mark.skipif(COMMAND is None, reason="redis-server is not installed")
async def test_a_redis_is_reachable_and_one_that_wants_a_password_says_so(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = RedisServer(free.getsockname()[1])
    server.start()
    try:
        async with source() as url:
            tables = f'[cache]\nurl = "{server.url}"\n'
            assert services(await checked(tmp_path, url, tables=tables)) == {"redis": None}
            server.command("CONFIG", "SET", "requirepass", "secret-of-redis")
            refused = services(await checked(tmp_path, url, tables=tables))
    finally:
        server.kill()
    assert refused == {"redis": "Redis cannot be used: it rejected the password, or requires one; see cache.url."}


def test_the_results_are_json_for_programs_and_a_table_for_people(vendors_running: Running, nobody: int) -> None:
    config = vendors_running.config(f'[cache]\nurl = "redis://127.0.0.1:{nobody}/0"\n')
    code, out, _ = command("check", "--config", config, "--json", **vendors_running.env)
    assert code == 1
    document = json.loads(out)
    assert document["usable"] is False
    assert [(one["name"], one["usable"], one["trouble"]) for one in document["sources"]] == [
        ("nemo", True, None),
        ("langsmith", True, None),
        ("meibel", True, None),
    ]
    assert [(one["name"], one["reachable"]) for one in document["services"]] == [("redis", False)]
    code, out, _ = command("check", "--config", config, **vendors_running.env)
    assert code == 1
    assert "Services" in out
    assert "Redis cannot be used" in out


def command(*arguments: str, **env: str) -> tuple[int, str, str]:
    """Run the command in this process: its exit code and what it prints."""
    result = CliRunner().invoke(cli._app, arguments, env=env)
    return result.exit_code, result.stdout, result.stderr


async def asyncio_run(command: list[str], env: dict[str, str]) -> bytes:
    """The output of a command, while this process goes on serving."""
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out


# -- what the parent finds before its workers do ---------------------------------------------------------


def test_a_configured_directory_that_cannot_be_written_is_named_in_one_sentence(
    vendors_running: Running,
) -> None:
    path = vendors_running.config('[metrics]\ndirectory = "/proc/none"\n')
    code, out, err = command("serve", "--config", path, "--port", "0", "--workers", "2", **vendors_running.env)
    assert (code, out) == (2, "")
    assert err == (
        "metrics.directory is /proc/none, and the gateway cannot write there: create the directory, "
        "or choose another.\n"
    )


def test_an_adapter_that_cannot_be_imported_is_named_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    info = site / "tracegraph_acme-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tracegraph-acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[tracegraph.adapters]\nacme = tracegraph_acme:open_adapter\n")
    (site / "tracegraph_acme.py").write_text("import a_module_that_is_not_there\n")
    path = written(tmp_path, '[sources.x]\nvendor = "acme"\nbase_url = "https://acme.example"\n')
    monkeypatch.syspath_prepend(site)
    for arguments in (["config", "check"], ["serve", "--workers", "2"], ["config", "show"]):
        code, out, err = command(*arguments, "--config", str(path), COLUMNS="400")
        assert (code, out) == (2, "")
        assert err == (
            f"{path}: sources.x.vendor is 'acme', but the adapter's package cannot be imported "
            "(ModuleNotFoundError: No module named 'a_module_that_is_not_there'): reinstall the package.\n"
        )
