"""`tracegraph config check` and `config show`."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.configurations import GOOD, SECRET, written
from tests.cli.test_configuration import ENVIRONMENT, invoke
from tests.cli.wrong_configurations import HASH, JWT, NEMO, at, keyed
from tracegraph.config.loader import load

JWKS = b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
FULL = (
    GOOD
    + f"""
scores = false
timeout_s = 3
ttl_by_kind = {{ sessions = 30 }}
[sources.meibel.retry]
attempts = 2
[sources.langsmith.limits.rates]
"runs/query" = {{ calls = 1, per_s = 10 }}
"*" = "off"
[server]
cors_origins = ["https://a.example"]
[limits]
deadline_s = 8
[cache]
url = "redis://h:6379/1"
password = "env:LANGSMITH_API_KEY"
[auth.keys."a b"]
sha256 = "{HASH}"
sources = ["meibel"]
[auth.jwt]
issuer = "https://login.example"
audience = "traces \\" \\u007f"
jwks = "file:keys.json"
[documents]
trusted = "operations"
"""
)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A configuration with a value of every shape, and the files that it names."""
    (tmp_path / "keys.json").write_bytes(JWKS)
    (tmp_path / "operations").mkdir()
    (tmp_path / "operations" / "one.graphql").write_text("{ sources { name } }")
    return written(tmp_path, FULL)


@pytest.fixture
def environ() -> Iterator[None]:
    """The process's environment with the secrets in it, restored at the end."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_a_usable_configuration_is_checked_without_a_call(full: Path) -> None:
    """Nothing listens at the addresses of its sources, its Redis and its collector."""
    result = invoke("config", "check", "--config", str(full))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{full}: the configuration can be used: 3 sources, 1 API key and tokens.\n"


@pytest.mark.usefixtures("environ")
def test_the_output_is_toml_with_the_same_settings(full: Path, tmp_path: Path) -> None:
    shown = invoke("config", "show", "--config", str(full)).stdout
    again = written(tmp_path, shown, "again.toml")
    assert tomllib.loads(invoke("config", "show", "--config", str(again)).stdout) == tomllib.loads(shown)
    given, read = load(full).settings, load(again).settings
    assert read.model_copy(update={"sources": {}}) == given.model_copy(update={"sources": {}})
    assert [one.policy() for one in read.sources.values()] == [one.policy() for one in given.sources.values()]


def test_the_output_is_usable_in_another_folder(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output works anywhere, also when the file was given by a relative path."""
    monkeypatch.chdir(full.parent)
    first = invoke("config", "show", "--config", full.name)
    assert (first.exit_code, first.stderr) == (0, "")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = written(elsewhere, first.stdout)
    monkeypatch.chdir(elsewhere)
    second = invoke("config", "show", "--config", str(again))
    assert (second.exit_code, second.stderr) == (0, "")
    assert tomllib.loads(second.stdout) == tomllib.loads(first.stdout)


def test_a_configuration_that_requires_insecure_causes_a_warning(tmp_path: Path) -> None:
    path = written(tmp_path, NEMO + '[server]\nhost = "0.0.0.0"\n')
    result = invoke("config", "check", "--config", str(path))
    assert result.exit_code == 0, "--insecure and --host are given to serve"
    assert "can be used" in result.stdout
    assert "Warning: The gateway would listen on 0.0.0.0 without authentication" in result.stderr


def test_each_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    path = written(tmp_path, NEMO + '[server]\nhost = "::1"\n')
    shown = invoke("config", "show", "--config", str(path), TRACEGRAPH_SERVER__PORT="9000").stdout.splitlines()
    assert f'host = "::1"  # {path}' in shown
    assert "port = 9000  # TRACEGRAPH_SERVER__PORT" in shown
    assert "introspection = true  # default" in shown
    assert "# trusted is not set" in shown
    assert 'workspace = "default"  # default' in shown, "an adapter's own defaults are settings, too"


def test_a_derived_default_is_shown_with_its_rule(tmp_path: Path) -> None:
    path = written(tmp_path, "[limits]\ndeadline_s = 5\n" + NEMO)
    shown = invoke("config", "show", "--config", str(path)).stdout
    assert "timeout_s = 2.0  # default, the lesser of 4 and 0.4 of limits.deadline_s\n" in shown


def test_a_secret_is_shown_as_its_reference(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    for reference, shown_as in (("env:LANGSMITH_API_KEY",) * 2, ("file:key", f"file:{tmp_path / 'key'}")):
        result = invoke("config", "show", "--config", str(written(tmp_path, keyed(reference))))
        assert f'api_key = "{shown_as}"' in result.stdout
        assert SECRET not in result.output


def test_a_proxy_is_shown_by_its_url_or_its_reference(tmp_path: Path) -> None:
    url = f"http://gateway:{SECRET}@proxy.example:3128"
    for proxy in ("http://proxy.example:3128", "env:OUR_PROXY"):
        path = written(tmp_path, NEMO + f'proxy = "{proxy}"\n')
        result = invoke("config", "show", "--config", str(path), OUR_PROXY=url)
        assert f'proxy = "{proxy}"  # {path}' in result.stdout
        assert SECRET not in result.output


@pytest.mark.parametrize(
    ("given", "vendor", "used"),
    [
        ("https://ls.example/api/v1", "langsmith", "https://ls.example"),
        ("https://ls.example/api/v1/", "langsmith", "https://ls.example"),
        ("https://ls.example/prefix/api", "langsmith", "https://ls.example/prefix"),
        ("https://ls.example/api/v2", "langsmith", "https://ls.example"),
        ("https://ls.example/apiary", "langsmith", "https://ls.example/apiary"),
        ("https://eu.api.smith.langchain.com", "langsmith", "https://eu.api.smith.langchain.com"),
        ("https://nemo.example/apis/intake/v2", "nemo", "https://nemo.example"),
        ("https://nemo.example/a/apis/intake/", "nemo", "https://nemo.example/a"),
        ("https://nemo.example/apis", "nemo", "https://nemo.example"),
        ("https://api.meibel.ai", "meibel", "https://api.meibel.ai/v2"),
        ("https://api.meibel.ai/", "meibel", "https://api.meibel.ai/v2"),
        ("https://api.meibel.ai/v2/", "meibel", "https://api.meibel.ai/v2"),
        ("https://proxy.example/meibel", "meibel", "https://proxy.example/meibel"),
    ],
)
def test_an_address_as_the_vendor_documents_it_is_normalized(
    tmp_path: Path, given: str, vendor: str, used: str
) -> None:
    key = "" if vendor == "nemo" else 'api_key = "env:LANGSMITH_API_KEY"'
    result = invoke("config", "show", "--config", str(written(tmp_path, at(given, vendor, key))))
    assert tomllib.loads(result.stdout)["sources"]["x"]["base_url"] == used


# -- files -----------------------------------------------------------------------------------------------


def test_paths_in_the_file_are_relative_to_its_folder(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    result = invoke("config", "check", "--config", f"../{full.name}")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"../{full.name}: the configuration can be used")


def test_a_path_of_the_environment_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys.json").write_bytes(JWKS)
    folder = tmp_path / "etc"
    folder.mkdir()
    path = written(folder, JWT + 'jwks = "https://login.example"\n' + NEMO)
    monkeypatch.chdir(tmp_path)
    variables = {"TRACEGRAPH_AUTH__JWT__JWKS": "file:keys.json"}
    assert invoke("config", "check", "--config", str(path), **variables).exit_code == 0


def test_a_file_behind_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"\xef\xbb\xbf" + NEMO.replace("\n", "\r\n").encode())
    assert list(load(path, {}).settings.sources) == ["nemo"]


def test_a_secret_is_read_without_a_byte_order_mark_and_without_the_blanks_around_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(f"\ufeff{SECRET}\r\n".encode())
    for reference in ("file:key", "env:LANGSMITH_API_KEY"):
        path = written(tmp_path, f'[cache]\nsecret = "{reference}"\n' + NEMO)
        result = invoke("config", "check", "--config", str(path), LANGSMITH_API_KEY=f"{SECRET}\n")
        assert result.exit_code == 0, result.output


# -- the environment -------------------------------------------------------------------------------------


def test_a_list_in_the_environment_is_json_or_has_commas_or_is_one_value(tmp_path: Path) -> None:
    path = written(tmp_path, NEMO)
    for text, origins in (
        ("https://a.example", ("https://a.example",)),
        ("https://a.example, https://b.example", ("https://a.example", "https://b.example")),
        ('["https://a.example", "https://b.example"]', ("https://a.example", "https://b.example")),
    ):
        settings = load(path, {"TRACEGRAPH_SERVER__CORS_ORIGINS": text}).settings
        assert settings.server.cors_origins == origins


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    path = written(tmp_path, "[server]\nport = 8001\n" + NEMO)
    empty = {"TRACEGRAPH_CACHE": "", "TRACEGRAPH_SERVER__PORT": "", "TRACEGRAPH_CONFIG": ""}
    assert load(path, empty).settings == load(path, {}).settings


def test_a_table_of_the_environment_is_json_and_a_longer_name_overrides_it(tmp_path: Path) -> None:
    path = written(tmp_path, "[cache]\nttl_s = 7\nstale_s = 8\n" + NEMO)
    variables = {"TRACEGRAPH_CACHE": '{"ttl_s": 1, "max_mb": 2}', "TRACEGRAPH_CACHE__TTL_S": "3"}
    cache = load(path, variables).settings.cache
    assert (cache.ttl_s, cache.stale_s, cache.max_mb) == (3, 8, 2)


def test_environment_variables_match_names_of_the_file_regardless_of_case_and_dashes(tmp_path: Path) -> None:
    path = written(tmp_path, NEMO.replace("[sources.nemo]", "[sources.Nemo-Lab]"))
    variables = {"TRACEGRAPH_SOURCES__NEMO_LAB__WORKSPACE": "a", "tracegraph_sources__nemo_lab__timeout_s": "2"}
    sources = load(path, variables).settings.sources
    assert list(sources) == ["Nemo-Lab"]
    assert (sources["Nemo-Lab"].model_extra, sources["Nemo-Lab"].timeout_s) == ({"workspace": "a"}, 2)


def test_a_longer_name_matches_a_source_from_json_in_the_environment(tmp_path: Path) -> None:
    json = '{"prod-x": {"vendor": "nemo", "base_url": "https://a.example"}}'
    variables = {"TRACEGRAPH_SOURCES": json, "TRACEGRAPH_SOURCES__PROD_X__WORKSPACE": "w"}
    sources = load(written(tmp_path, ""), variables).settings.sources
    assert [(name, table.model_extra) for name, table in sources.items()] == [("prod-x", {"workspace": "w"})]


def test_a_variable_with_one_underscore_causes_a_warning(tmp_path: Path) -> None:
    result = invoke("config", "check", "--config", str(written(tmp_path, NEMO)), TRACEGRAPH_SERVER_PORT="9000")
    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: The variable TRACEGRAPH_SERVER_PORT is ignored: two underscores separate levels, as in "
        "TRACEGRAPH_SERVER__PORT.\n"
    )


def test_variables_of_an_orchestrator_for_a_service_of_that_name_are_ignored(tmp_path: Path) -> None:
    variables = {"TRACEGRAPH_PORT": "tcp://10.0.0.1:80", "TRACEGRAPH_SERVICE_HOST": "10.0.0.1"}
    loaded = load(written(tmp_path, NEMO), variables)
    assert (loaded.settings.server.port, loaded.warnings) == (8000, [])


@pytest.mark.parametrize(
    ("variables", "warned"),
    [
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, True),
        ({"https_proxy": "http://proxy.example:3128"}, True),
        ({"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": ".example"}, False),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, False),
    ],
)
def test_an_unused_proxy_causes_a_warning(tmp_path: Path, variables: dict[str, str], *, warned: bool) -> None:
    none = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"))
    result = invoke("config", "check", "--config", str(written(tmp_path, NEMO)), **(none | variables))
    assert result.exit_code == 0
    assert ("HTTPS_PROXY is set, but Tracegraph uses no proxy: it calls nemo" in result.stderr) is warned


NO_PROXIES = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"))


@pytest.mark.parametrize("setting", ['proxy = "http://other.example:3128"', "trust_env = true"])
def test_a_source_with_a_proxy_causes_no_warning(tmp_path: Path, setting: str) -> None:
    variables = NO_PROXIES | {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": ""}
    result = invoke("config", "check", "--config", str(written(tmp_path, NEMO + setting)), **variables)
    assert (result.exit_code, "HTTPS_PROXY" in result.stderr) == (0, False)


# -- the command itself ----------------------------------------------------------------------------------


def test_the_version_is_printed() -> None:
    assert invoke("--version").stdout.startswith("tracegraph 0.")
