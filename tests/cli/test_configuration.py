"""One sentence rejects an invalid configuration: the file, the key, the remedy, and never a secret."""

import os
import re
import socket
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.cli.configurations import GOOD, SECRET, written
from tests.cli.wrong_configurations import NEMO, WRONG, Wrong
from tracegraph import cli
from tracegraph.config.loader import load_settings
from tracegraph.observability.redaction import redact
from tracegraph.upstream.resilience.pipeline import ResiliencePolicy

Environ = MutableMapping[str, str]
ENVIRONMENT = {"LANGSMITH_API_KEY": SECRET, "MEIBEL_API_KEY": SECRET, "COLUMNS": "400"}


def invoke(*arguments: str, **environment: str | None) -> Result:
    return CliRunner().invoke(cli._app, list(arguments), env=ENVIRONMENT | environment)


def assert_rejected(result: Result, *phrases: str) -> None:
    """Assert exit code 2, and an output of exactly one sentence with these phrases."""
    sentence = result.stderr.strip()
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert "\n" not in sentence
    assert sentence.endswith(".")
    for phrase in phrases:
        assert phrase in sentence
    for never in (SECRET, "Traceback", "pydantic", "validation error", "https://errors."):
        assert never not in result.output


LIBRARY_WORDS = (
    *("valid ", "instance of", "Input should", "parse string", "integer", "tuple", "dictionary", "boolean"),
    *("extra_forbidden", "model_type", "greater than", "less than", "at least 1 item", "Value error", "Traceback"),
)


def test_the_invalid_configurations_are_many_and_have_unique_names() -> None:
    assert len({wrong.case for wrong in WRONG}) == len(WRONG) >= 80


TWICE = re.compile(r"\b(\w+(?: \w+){2,}) \1\b")
"""Three or more words that are repeated at once."""


COMMANDS = (("config", "check"), ("config", "show"), ("check",), ("serve", "--workers", "2"))
ONE_IN_TURN = [(wrong, [COMMANDS[index % len(COMMANDS)]]) for index, wrong in enumerate(WRONG)]
"""Each invalid configuration with one command; all commands load it by the same function."""


@pytest.mark.parametrize(
    ("wrong", "commands"),
    [*ONE_IN_TURN, *(pytest.param(wrong, COMMANDS, marks=pytest.mark.slow) for wrong in WRONG)],
    ids=[*(wrong.case for wrong in WRONG), *(f"{wrong.case}, every command" for wrong in WRONG)],
)
def test_every_command_rejects_an_invalid_configuration(
    tmp_path: Path, wrong: Wrong, commands: Sequence[Sequence[str]]
) -> None:
    """Exit code 2 and one sentence, in our own words and without the secret; no server starts."""
    path = written(tmp_path, wrong.text)
    for name, content in wrong.files.items():
        (tmp_path / name).write_bytes(content)
    of_a_file = not any(name.startswith("SSL_") for name in wrong.environment)
    for command in commands:
        result = invoke(*command, "--config", str(path), **wrong.environment)
        assert_rejected(result, *([f"{path}: "] if of_a_file else []), *wrong.phrases)
        assert "Tracegraph serves" not in result.output
        sentence = result.stderr.replace(str(tmp_path), "")
        assert [words for words in LIBRARY_WORDS if words in sentence] == []
        assert redact(sentence) == sentence  # the log has the same sentence as the terminal
        assert TWICE.search(sentence) is None


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "missing.toml"
    assert_rejected(invoke("check", "--config", str(path)), f"{path}: the file does not exist", "--config")


def test_a_file_that_is_not_text_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert_rejected(invoke("check", "--config", str(path)), f"{path}: ")


def test_a_folder_instead_of_a_file_is_rejected(tmp_path: Path) -> None:
    assert_rejected(invoke("check", "--config", str(tmp_path)), f"{tmp_path}: ")


def test_an_invalid_option_of_the_command_is_rejected(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    for arguments in (["--port", "70000"], ["--port", "x"], ["--workers", "0"], ["--colour"]):
        result = invoke("serve", "--config", str(path), *arguments)
        assert result.exit_code == 2
        assert "Traceback" not in result.output


def test_a_port_in_use_is_rejected_with_the_option_to_change(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        for command in (["serve", "--config", str(path), "--port", str(port)], ["demo", "--port", str(port)]):
            assert_rejected(invoke(*command), f"127.0.0.1:{port}", "--port")


def test_a_host_of_another_machine_is_rejected(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert_rejected(
        invoke("serve", "--config", str(path), "--host", "192.0.2.1", "--insecure"), "192.0.2.1", "--host"
    )


def test_without_a_file_and_without_variables_there_is_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command looks for the default file in its working directory."""
    monkeypatch.chdir(tmp_path)
    result = invoke("check")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("tracegraph.toml: no source is configured")
    assert "Traceback" not in result.stderr


# -- the environment -------------------------------------------------------------------------------------


@pytest.fixture
def environ() -> Iterator[Environ]:
    """The process's environment with the secrets in it, restored at the end."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    yield os.environ
    os.environ.clear()
    os.environ.update(before)


def test_the_environment_overrides_the_file(tmp_path: Path, environ: Environ) -> None:
    path = written(tmp_path, GOOD + "[server]\nport = 8001\nhost = '0.0.0.0'\n")
    environ["TRACEGRAPH_SERVER__PORT"] = "9001"
    settings = load_settings(path)
    assert (settings.server.port, settings.server.host) == (9001, "0.0.0.0")  # noqa: S104 - the value in the file


def test_a_dash_in_a_sources_name_is_an_underscore_in_the_environment(tmp_path: Path, environ: Environ) -> None:
    environ["TRACEGRAPH_SOURCES__NEMO_RESEARCH__BASE_URL"] = "https://elsewhere.example"
    environ["TRACEGRAPH_SOURCES__NEMO_RESEARCH__WORKSPACE"] = "other"
    settings = load_settings(written(tmp_path, GOOD))
    assert list(settings.sources) == ["nemo-research", "langsmith", "meibel"]
    changed = settings.sources["nemo-research"]
    assert (changed.base_url, changed.vendor) == ("https://elsewhere.example", "nemo")
    assert changed.model_extra == {"workspace": "other"}


def test_the_environment_adds_to_a_sources_tables(tmp_path: Path, environ: Environ) -> None:
    """A value of a subtable of a source with a dash in its name: the file's other values stay."""
    environ["TRACEGRAPH_SOURCES__NEMO_RESEARCH__RETRY__ATTEMPTS"] = "2"
    settings = load_settings(
        written(tmp_path, GOOD + "[sources.nemo-research.retry]\nattempts = 5\nbase_s = 1.5\n")
    )
    retry = settings.sources["nemo-research"].policy().retry
    assert (retry.attempts, retry.base_s, retry.cap_s) == (2, 1.5, 5.0)


def test_the_defaults_are_those_of_the_policies(tmp_path: Path) -> None:
    """The defaults are defined once."""
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
def test_the_default_timeout_is_the_lesser_of_4_s_and_two_fifths_of_the_deadline(
    tmp_path: Path, limits: str, source: str, timeout_s: float
) -> None:
    settings = load_settings(written(tmp_path, f"[limits]\n{limits}\n{NEMO}{source}"))
    assert settings.sources["nemo"].transport_settings(settings.limits.deadline_s).timeout_s == timeout_s


@pytest.mark.parametrize("timeout_s", [10, 60])
def test_a_timeout_that_is_not_below_the_deadline_is_rejected(tmp_path: Path, timeout_s: float) -> None:
    path = written(tmp_path, f"{NEMO}timeout_s = {timeout_s}")
    result = invoke("serve", "--config", str(path))
    assert_rejected(result, "sources.nemo.timeout_s", "below limits.deadline_s (10)", "lower timeout_s")


def test_a_source_may_be_configured_by_the_environment_alone(environ: Environ, tmp_path: Path) -> None:
    environ["TRACEGRAPH_SOURCES__NEMO__VENDOR"] = "nemo"
    environ["TRACEGRAPH_SOURCES__NEMO__BASE_URL"] = "https://nemo.example"
    settings = load_settings(written(tmp_path, ""))
    assert [(name, table.vendor) for name, table in settings.sources.items()] == [("nemo", "nemo")]


def test_the_environment_may_name_the_file(tmp_path: Path, environ: Environ) -> None:
    environ["TRACEGRAPH_CONFIG"] = str(written(tmp_path, GOOD, "elsewhere.toml"))
    assert len(load_settings().sources) == 3
