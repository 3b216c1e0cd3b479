"""What the tables of a comparison have in common: units, decimals, figures, the form of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

UNITS = {"MILLISECONDS": "ms", "USD": "USD", "TOKENS": "tokens", "RATIO": "0..1", "SCORE": "score"}


DECIMALS = {"MILLISECONDS": 1, "USD": 6, "TOKENS": 1, "RATIO": 4, "SCORE": 4}


def new_table(title: str) -> Table:
    """Return a table without columns."""
    return Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def figure(value: float | None, form: str) -> str:
    """Return a figure in a format such as `,.1f`, or a dash."""
    return "-" if value is None else format(value, form)


def baseline_column(comparison: Mapping[str, Any]) -> int:
    """Return the index of the baseline: the first of its ID, which may come twice."""
    ids = [experiment["id"] for experiment in comparison["experiments"]]
    return ids.index(comparison["baseline"]["id"])
