"""docs/observability.md names every log event, every metric with its labels, and every outcome."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tracegraph.metrics.definitions import FAMILIES
from tracegraph.metrics.operations import OperationOutcome
from tracegraph.upstream.counters import DURATION_BOUNDS_S

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
MODULES = [*(ROOT / "src").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]
EVENT = re.compile(r"[a-z_]+(?:\.[a-z_]+)+")
WRITTEN_WITHOUT_A_LOGGER = {"library", "log.lines_left_out"}
"""The level of the first is the library's own; the second is written by the thread that writes the log."""


def logged_events(tree: ast.AST) -> Iterator[str]:
    """The first arguments of calls of a logger, and of a name that stands for one of its methods."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args or not _is_logging(node.func):
            continue
        names = node.args[0]
        choices = [names.body, names.orelse] if isinstance(names, ast.IfExp) else [names]
        for choice in choices:
            if isinstance(choice, ast.Constant) and EVENT.fullmatch(str(choice.value)):
                yield str(choice.value)


def _is_logging(called: ast.expr) -> bool:
    text = ast.unparse(called)
    return "_log." in text or text == "emit"


def test_every_log_event_has_a_row_and_every_row_is_an_event() -> None:
    rows = set(
        re.findall(
            r"^\| `([a-z_]+(?:\.[a-z_]+)*)` \| (?:debug|info|warning|error|critical|as)", PAGE, re.MULTILINE
        )
    )
    found = {event for path in MODULES for event in logged_events(ast.parse(path.read_text(encoding="utf-8")))}
    assert len(found) > 20
    assert rows == found | WRITTEN_WITHOUT_A_LOGGER


def test_every_metric_has_a_row_with_its_labels() -> None:
    rows = dict(re.findall(r"^\| `((?:tracegraph|process)_\w+)` \| ([^|]*) \|", PAGE, re.MULTILINE))
    assert rows == {family.name: ", ".join(f"`{label}`" for label in family.labels) for family in FAMILIES}


def test_every_outcome_and_the_bounds_of_the_histograms_are_named() -> None:
    assert [one.value for one in OperationOutcome if f"| {one.value} |" not in PAGE] == []
    assert f"{DURATION_BOUNDS_S[0]} s to {DURATION_BOUNDS_S[-1]:g} s" in PAGE
