"""A file of a secret that every user of the machine can read is warned about, by `config check` and by `serve`."""

from pathlib import Path

import pytest

from tests.cli.configurations import written
from tests.cli.test_configuration import invoke
from tracegraph.config.loader import load

SOURCE = '[sources.meibel]\nvendor = "meibel"\nbase_url = "https://api.meibel.ai/v2"\napi_key = "file:key"\n'


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o604, True), (0o640, False), (0o600, False)])
def test_a_file_that_others_can_read_is_warned_about(tmp_path: Path, mode: int, *, warned: bool) -> None:
    (tmp_path / "key").write_text("secret-of-the-tests", encoding="utf-8")
    (tmp_path / "key").chmod(mode)
    result = invoke("config", "check", "--config", str(written(tmp_path, SOURCE)))
    assert result.exit_code == 0
    assert ("Warning: sources.meibel.api_key is in" in result.stderr) == warned
    assert "secret-of-the-tests" not in result.output


def test_the_public_keys_of_an_identity_provider_are_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k", encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "keys.json").write_text("{}", encoding="utf-8")
    jwt = '[auth.jwt]\nissuer = "i"\naudience = "a"\njwks = "file:keys.json"\n'
    assert load(written(tmp_path, jwt + SOURCE), {}).warnings == []
