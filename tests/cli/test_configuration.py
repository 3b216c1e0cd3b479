"""A wrong configuration is refused with one sentence: the file, the key, the remedy, and never a secret."""

import os
import socket
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.cli.configurations import GOOD, SECRET, written
from tests.processes import run
from tracegraph import cli
from tracegraph.config.loader import load_settings
from tracegraph.upstream.guards import GuardPolicy

Environ = MutableMapping[str, str]
ENVIRONMENT = {"LANGSMITH_API_KEY": SECRET, "MEIBEL_API_KEY": SECRET, "COLUMNS": "400"}
LANGSMITH = '[sources.langsmith]\nvendor = "langsmith"\nbase_url = "https://api.smith.langchain.com"\n'
NEMO = '[sources.nemo]\nvendor = "nemo"\nbase_url = "https://nemo.example"\n'


def invoke(*arguments: str, **environment: str | None) -> Result:
    return CliRunner().invoke(cli._app, list(arguments), env=ENVIRONMENT | environment)


def assert_refused(result: Result, *said: str) -> None:
    """Exit code 2 and one sentence that says all that, and nothing else."""
    sentence = result.stderr.strip()
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert "\n" not in sentence
    assert sentence.endswith(".")
    for words in said:
        assert words in sentence
    for never in (SECRET, "Traceback", "pydantic", "validation error", "https://errors."):
        assert never not in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("colour = 1\n" + NEMO, ("colour", "is not a setting", "server", "sources"), id="top level"),
        pytest.param("[server]\nprot = 1\n" + NEMO, ("server.prot", "is not a setting", "port"), id="in a table"),
        pytest.param(NEMO + 'worksapce = "x"', ("sources.nemo.worksapce", "workspace"), id="in a source"),
        pytest.param(NEMO + 'timeout = "5s"', ("sources.nemo.timeout", "base_url"), id="a source's, misspelt"),
        pytest.param("server = 5\n" + NEMO, ("server",), id="a table that is none"),
        pytest.param("sources = 5\n", ("sources",), id="sources that are none"),
        pytest.param("[sources]\nnemo = 5\n", ("sources.nemo",), id="a source that is none"),
        pytest.param("", ("no source", "[sources.nemo]", "tracegraph demo"), id="empty"),
        pytest.param("[server]\nport = 8000\n", ("no source",), id="no source"),
        pytest.param('[sources.x]\nbase_url = "https://x"\n', ("sources.x.vendor", "missing"), id="no vendor"),
        pytest.param('[sources.x]\nvendor = "nemo"\n', ("sources.x.base_url", "missing"), id="no base_url"),
        pytest.param(LANGSMITH, ("sources.langsmith.api_key", "missing"), id="no key"),
        pytest.param(
            LANGSMITH + f'api_key = "{SECRET}"', ("sources.langsmith.api_key", "env:NAME"), id="a literal secret"
        ),
        pytest.param(
            LANGSMITH + 'api_key = "env:NOWHERE"',
            ("sources.langsmith.api_key", "NOWHERE", "export"),
            id="a secret that is not set",
        ),
        pytest.param(LANGSMITH + 'api_key = "env:"', ("sources.langsmith.api_key",), id="a secret of no name"),
        pytest.param(LANGSMITH + "api_key = 5", ("sources.langsmith.api_key",), id="a number for a secret"),
        pytest.param(
            LANGSMITH + 'api_key = "file:/nowhere/key"',
            ("sources.langsmith.api_key", "/nowhere/key"),
            id="a secret file that is not there",
        ),
        pytest.param(NEMO + NEMO, ("TOML",), id="one source twice"),
        pytest.param(
            '[sources.x]\nvendor = "datadog"\nbase_url = "https://x.example"',
            ("sources.x.vendor", "'datadog'", "langsmith, meibel, nemo"),
            id="a vendor without an adapter",
        ),
        pytest.param(
            '[sources.x]\nvendor = "nemo"\nbase_url = "http://nemo.example"',
            ("sources.x", "https", "allow_http"),
            id="a key in the clear",
        ),
        pytest.param('[sources.x]\nvendor = "nemo"\nbase_url = "nemo"', ("sources.x", "URL"), id="no URL"),
        pytest.param(
            '[sources.x]\nvendor = "nemo"\nbase_url = "ftp://x"', ("sources.x", "http"), id="another protocol"
        ),
        pytest.param(
            f'[sources.x]\nvendor = "nemo"\nbase_url = "https://u:{SECRET}@x.example"',
            ("sources.x", "password"),
            id="a password in the URL",
        ),
        pytest.param(
            f'[sources.x]\nvendor = "nemo"\nbase_url = "https://x.example?key={SECRET}"',
            ("sources.x", "query"),
            id="a key in the URL",
        ),
        pytest.param('[sources."a b"]\nvendor = "nemo"\nbase_url = "https://x"', ("'a b'",), id="an odd name"),
        pytest.param("[server]\nport = 70000\n" + NEMO, ("server.port", "65535"), id="a port too high"),
        pytest.param('[server]\nport = "web"\n' + NEMO, ("server.port", "integer"), id="a port of letters"),
        pytest.param("[limits]\ndeadline_s = 0\n" + NEMO, ("limits.deadline_s", "greater"), id="no time"),
        pytest.param('[cache]\nurl = "disk://x"\n' + NEMO, ("cache.url", "memory://"), id="an unknown cache"),
        pytest.param('[cache]\nurl = "redis://"\n' + NEMO, ("cache.url", "redis://host"), id="a Redis nowhere"),
        pytest.param(
            '[cache]\nurl = "redis://h/cache"\n' + NEMO,
            ("cache.url", "number of a"),
            id="a Redis by name",
        ),
        pytest.param(
            '[cache]\nurl = "redis://h:99999/0"\n' + NEMO, ("cache.url", "redis://host:port"), id="an odd port"
        ),
        pytest.param(
            f'[cache]\nurl = "redis://:{SECRET}@h/0"\n' + NEMO,
            ("cache.url", "password", "env:NAME"),
            id="a password in the cache's URL",
        ),
        pytest.param(
            f'[cache]\nsecret = "{SECRET}"\n' + NEMO, ("cache.secret", "env:NAME"), id="a literal cache secret"
        ),
        pytest.param("[cache]\nmax_entries = 0\n" + NEMO, ("cache.max_entries", "greater"), id="no entries"),
        pytest.param("[cache]\nsize = 5\n" + NEMO, ("cache.size", "max_mb", "stale_s"), id="a cache's, misspelt"),
        pytest.param(
            NEMO + "ttl_by_kind = { sessions = -1 }",
            ("sources.nemo.ttl_by_kind.sessions", "greater"),
            id="a time to live below zero",
        ),
        pytest.param('[log]\nlevel = "loud"\n' + NEMO, ("log.level", "debug"), id="an unknown level"),
        pytest.param("[server\n", ("TOML",), id="not TOML"),
        pytest.param(
            NEMO + "[sources.nemo.retry]\ntries = 5",
            ("sources.nemo.retry.tries", "[sources.nemo.retry] takes: attempts"),
            id="in a source's table",
        ),
        pytest.param(
            NEMO + "[sources.nemo.breaker]\nfailure_rate = 2",
            ("sources.nemo.breaker.failure_rate", "less than or equal to 1"),
            id="a rate above one",
        ),
        pytest.param(
            NEMO + "[sources.nemo.limits.rates]\nruns = {calls = 1, per_s = 1}",
            ("sources.nemo.limits.rates", "'runs'", "experiments, sessions"),
            id="a kind of call that is none",
        ),
        pytest.param(
            NEMO + "[sources.nemo.limits.rates]\nsessions = {calls = 0, per_s = 1}",
            ("sources.nemo.limits.rates.sessions", "calls"),
            id="a rate of nothing",
        ),
        pytest.param(
            NEMO + "[sources.nemo.ttl_by_kind]\nruns = 1",
            ("sources.nemo.ttl_by_kind", "'runs'", "experiments, sessions"),
            id="a time to live of no kind",
        ),
        pytest.param(NEMO + 'workspace = "a/b"', ("sources.nemo.workspace",), id="a workspace of two"),
        pytest.param(
            LANGSMITH + 'api_key = "env:LANGSMITH_API_KEY"\ntenant_id = "a b"',
            ("sources.langsmith.tenant_id",),
            id="an odd tenant",
        ),
    ],
)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_wrong_configuration_is_refused(tmp_path: Path, command: str, text: str, said: tuple[str, ...]) -> None:
    path = written(tmp_path, text)
    assert_refused(invoke(command, "--config", str(path)), f"{path}: ", *said)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "missing.toml"
    assert_refused(invoke("check", "--config", str(path)), f"{path}: there is no such file", "--config")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert_refused(invoke("check", "--config", str(path)), f"{path}: ")


def test_a_folder_for_a_file_is_refused(tmp_path: Path) -> None:
    assert_refused(invoke("check", "--config", str(tmp_path)), f"{tmp_path}: ")


def test_a_secret_that_no_header_may_hold_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, LANGSMITH + 'api_key = "env:LANGSMITH_API_KEY"')
    result = invoke("check", "--config", str(path), LANGSMITH_API_KEY=f"{SECRET}\r\nX-Evil: 1")
    assert_refused(result, "sources.langsmith.api_key", "LANGSMITH_API_KEY")


def test_a_wrong_value_in_the_environment_is_refused_and_its_variable_can_be_found(tmp_path: Path) -> None:
    path = written(tmp_path, NEMO)
    result = invoke("check", "--config", str(path), TRACEGRAPH_SERVER__PORT="many")
    assert_refused(result, "server.port")


def test_an_unknown_option_of_the_command_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    for arguments in (["--port", "70000"], ["--port", "x"], ["--workers", "0"], ["--colour"]):
        result = invoke("serve", "--config", str(path), *arguments)
        assert result.exit_code == 2
        assert "Traceback" not in result.output


def test_a_port_in_use_is_refused_and_an_option_named(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for command in (["serve", "--config", str(path), "--port", str(port)], ["demo", "--port", str(port)]):
            assert_refused(invoke(*command), f"127.0.0.1:{port}", "--port")


def test_a_host_that_is_not_this_machine_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert_refused(
        invoke("serve", "--config", str(path), "--host", "192.0.2.1", "--insecure"), "192.0.2.1", "--host"
    )


def test_without_a_file_and_without_variables_there_is_no_source(tmp_path: Path) -> None:
    """As a process: the default file is looked for where the command runs."""
    code, out, err = run("check", cwd=tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith("tracegraph.toml: no source is configured")
    assert "Traceback" not in err


# -- the environment -------------------------------------------------------------------------------------


@pytest.fixture
def environ() -> Iterator[Environ]:
    """The process's environment with the secrets in it, given back at the end as it was."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    yield os.environ
    os.environ.clear()
    os.environ.update(before)


def test_the_environment_wins_over_the_file(tmp_path: Path, environ: Environ) -> None:
    path = written(tmp_path, GOOD + "[server]\nport = 8001\nhost = '0.0.0.0'\n")
    environ["TRACEGRAPH_SERVER__PORT"] = "9001"
    settings = load_settings(path)
    assert (settings.server.port, settings.server.host) == (9001, "0.0.0.0")  # noqa: S104 - what the file says


def test_a_dash_in_a_sources_name_is_an_underscore_in_the_environment(tmp_path: Path, environ: Environ) -> None:
    environ["TRACEGRAPH_SOURCES__NEMO_RESEARCH__BASE_URL"] = "https://elsewhere.example"
    environ["TRACEGRAPH_SOURCES__NEMO_RESEARCH__WORKSPACE"] = "other"
    settings = load_settings(written(tmp_path, GOOD))
    assert list(settings.sources) == ["nemo-research", "langsmith", "meibel"]
    changed = settings.sources["nemo-research"]
    assert (changed.base_url, changed.vendor) == ("https://elsewhere.example", "nemo")
    assert changed.model_extra == {"workspace": "other"}


def test_the_environment_adds_to_a_sources_tables(tmp_path: Path, environ: Environ) -> None:
    """A value of a table within a source's, of a source with a dash: the file's other values stay."""
    environ["TRACEGRAPH_SOURCES__NEMO_RESEARCH__RETRY__ATTEMPTS"] = "2"
    settings = load_settings(
        written(tmp_path, GOOD + "[sources.nemo-research.retry]\nattempts = 5\nbase_s = 1.5\n")
    )
    retry = settings.sources["nemo-research"].policy().retry
    assert (retry.attempts, retry.base_s, retry.cap_s) == (2, 1.5, 5.0)


def test_what_is_not_said_is_as_the_policies_have_it(tmp_path: Path) -> None:
    """The defaults are written once."""
    assert load_settings(written(tmp_path, NEMO)).sources["nemo"].policy() == GuardPolicy()


@pytest.mark.parametrize(
    ("limits", "source", "timeout_s"),
    [
        ("", "", 4.0),
        ("deadline_s = 5", "", 2.0),
        ("deadline_s = 60", "", 4.0),
        ("deadline_s = 5", "timeout_s = 4", 4.0),
    ],
)
def test_a_try_has_the_lesser_of_4_s_and_two_fifths_of_the_deadline_unless_it_is_given(
    tmp_path: Path, limits: str, source: str, timeout_s: float
) -> None:
    settings = load_settings(written(tmp_path, f"[limits]\n{limits}\n{NEMO}{source}"))
    assert settings.sources["nemo"].transport(settings.limits.deadline_s).timeout_s == timeout_s


@pytest.mark.parametrize("timeout_s", [10, 60])
def test_a_given_timeout_that_is_not_below_the_deadline_is_refused(tmp_path: Path, timeout_s: float) -> None:
    path = written(tmp_path, f"{NEMO}timeout_s = {timeout_s}")
    result = invoke("serve", "--config", str(path))
    assert_refused(result, "sources.nemo.timeout_s", "below limits.deadline_s (10)", "lower timeout_s")


def test_a_source_may_live_in_the_environment_alone(environ: Environ, tmp_path: Path) -> None:
    environ["TRACEGRAPH_SOURCES__NEMO__VENDOR"] = "nemo"
    environ["TRACEGRAPH_SOURCES__NEMO__BASE_URL"] = "https://nemo.example"
    settings = load_settings(written(tmp_path, ""))
    assert [(name, one.vendor) for name, one in settings.sources.items()] == [("nemo", "nemo")]


def test_the_file_may_be_named_by_the_environment(tmp_path: Path, environ: Environ) -> None:
    environ["TRACEGRAPH_CONFIG"] = str(written(tmp_path, GOOD, "elsewhere.toml"))
    assert len(load_settings().sources) == 3
