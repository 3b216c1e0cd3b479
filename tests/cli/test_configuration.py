"""A wrong configuration is refused with one sentence: the file, the key, the remedy, and never a secret."""

import os
import socket
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.cli.configurations import GOOD, SECRET, written
from tests.cli.wrong_configurations import NEMO, WRONG, Wrong
from tests.processes import run
from tracegraph import cli
from tracegraph.config.loader import load_settings
from tracegraph.upstream.resilience.pipeline import ResiliencePolicy

Environ = MutableMapping[str, str]
ENVIRONMENT = {"LANGSMITH_API_KEY": SECRET, "MEIBEL_API_KEY": SECRET, "COLUMNS": "400"}


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


LIBRARY_WORDS = (
    *("valid ", "instance of", "Input should", "parse string", "integer", "tuple", "dictionary", "boolean"),
    *("extra_forbidden", "model_type", "greater than", "less than", "at least 1 item", "Value error", "Traceback"),
)


def test_the_list_of_wrong_configurations_is_long_and_names_each_once() -> None:
    assert len({wrong.what for wrong in WRONG}) == len(WRONG) >= 80


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_a_wrong_configuration_is_refused_by_every_command(tmp_path: Path, wrong: Wrong) -> None:
    """Exit code 2 and one sentence, in our words and without the secret; nothing serves."""
    path = written(tmp_path, wrong.text)
    for name, content in wrong.files.items():
        (tmp_path / name).write_bytes(content)
    of_a_file = not any(name.startswith("SSL_") for name in wrong.environment)
    for command in (("config", "check"), ("config", "show"), ("check",), ("serve", "--workers", "2")):
        result = invoke(*command, "--config", str(path), **wrong.environment)
        assert_refused(result, *([f"{path}: "] if of_a_file else []), *wrong.said)
        assert "Tracegraph serves" not in result.output
        sentence = result.stderr.replace(str(tmp_path), "")
        assert [words for words in LIBRARY_WORDS if words in sentence] == []


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "missing.toml"
    assert_refused(invoke("check", "--config", str(path)), f"{path}: there is no such file", "--config")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert_refused(invoke("check", "--config", str(path)), f"{path}: ")


def test_a_folder_for_a_file_is_refused(tmp_path: Path) -> None:
    assert_refused(invoke("check", "--config", str(tmp_path)), f"{tmp_path}: ")


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
    assert load_settings(written(tmp_path, NEMO)).sources["nemo"].policy() == ResiliencePolicy()


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
