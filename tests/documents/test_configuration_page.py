"""docs/configuration.md has every setting, as the models have it today."""

import re

from tools.configuration_page import BEGIN, END, MEANINGS, PAGE, page, tables

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_committed_page_is_what_the_script_writes() -> None:
    assert page(TEXT) == TEXT, "run `make docs-configuration`"


def test_writing_replaces_the_tables_and_nothing_else() -> None:
    assert page(f"before\n{BEGIN}old tables\n{END}after\n") == f"before\n{BEGIN}{tables()}{END}after\n"


def test_every_setting_has_a_row_with_its_variable_and_its_meaning() -> None:
    rows = re.findall(
        r"^\| `\w+` \| [^|]+ \| [^|]+ \| [^|]* \| [^|]* \| `TRACEGRAPH_[^|]+ \| (.+) \|$", tables(), re.M
    )
    assert len(rows) == len(MEANINGS)


def test_bounds_units_choices_and_defaults_are_those_of_the_models() -> None:
    text = tables()
    assert "| `deadline_s` | number | `10.0` | s | > 0, ≤ 300 | `TRACEGRAPH_LIMITS__DEADLINE_S` |" in text
    assert "| `port` | integer | `8000` |  | ≥ 0, ≤ 65,535 | `TRACEGRAPH_SERVER__PORT` |" in text
    assert '| `level` | string | `"info"` |  | one of `debug`, `info`, `warning`, `error` |' in text
    assert "| `issuer` | string | required |  | not empty | `TRACEGRAPH_AUTH__JWT__ISSUER` |" in text
    assert '| `workspace` | string | `"default"` |  |  | `TRACEGRAPH_SOURCES__<NAME>__WORKSPACE` |' in text
