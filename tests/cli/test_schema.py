"""`tracegraph schema` prints the schema that clients are written against."""

from pathlib import Path

from typer.testing import CliRunner

from tests.processes import run
from tracegraph import cli

ROOT = Path(__file__).parents[2]


def test_schema_graphql_at_the_root_is_the_codes_schema() -> None:
    """After a change of the schema: `make schema`."""
    code, out, err = run("schema")
    assert (code, err) == (0, "")
    assert out == (ROOT / "schema.graphql").read_text(encoding="utf-8")


def test_without_a_command_the_command_line_explains_itself() -> None:
    result = CliRunner().invoke(cli._app, [])
    assert result.exit_code in {0, 2}
    for command in ("serve", "demo", "check", "schema"):
        assert command in result.output
