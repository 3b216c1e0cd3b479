"""`tracegraph spans`: the steps of one session as a tree, with durations, tokens and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tracegraph.commands.compare.client import CompareResponse, GatewayUnreachable
from tracegraph.commands.compare.command import ANSWERED, SOURCE_FAILED, WRONG_USAGE, CompareTarget, run_operation
from tracegraph.commands.texts import printable_line
from tracegraph.errors import BadUserInput, ConfigurationError
from tracegraph.graphql.runner import Operation

SpansFormat = Literal["tree", "json"]

QUERY = """\
query Spans($id: ID!, $first: Int!, $after: String) {
  session(id: $id) {
    id
    vendorId
    name
    source { name }
    spans(first: $first, after: $after) {
      totalCount
      pageInfo { endCursor hasNextPage }
      nodes {
        id parentId depth kind name status startedAt latencyMs model toolName error costUsd
        tokens { input output total }
      }
    }
  }
}"""


_PAGE = 1000
"""The spans of one query: the default of `limits.max_first`."""


_USAGE_CODES = {"BAD_USER_INPUT", "INVALID_ID", "INVALID_CURSOR"}


_WIDE = 1000


_MAX_INDENT = 20
"""Deeper spans have no further indent, so that a line stays readable."""


def run_spans(session_id: str, first: int, target: CompareTarget, form: SpansFormat, errors: Console) -> int:
    """Print the spans of a session, and return the exit code.

    Args:
        session_id: The global ID of the session.
        first: The largest number of spans to print.
        target: Where the query runs.
        form: The output format.
        errors: The console for errors, one sentence each.
    """
    try:
        response = _read(session_id, first, target)
    except (BadUserInput, ConfigurationError) as error:
        _print_error(errors, error.message)
        return WRONG_USAGE
    except GatewayUnreachable as error:
        _print_error(errors, error.message)
        return SOURCE_FAILED
    session = (response.data or {}).get("session")
    if session is None or session["spans"] is None:
        return _explain(session, response, errors)
    _write(session, form, Console())
    left = session["spans"]["totalCount"] - len(session["spans"]["nodes"])
    if left:
        _print_error(errors, f"{left} further spans are not shown: ask for more with --first.")
    return ANSWERED


def _read(session_id: str, first: int, target: CompareTarget) -> CompareResponse:
    """Return the session with so many spans, page after page, or the first page without any."""
    nodes: list[Any] = []
    after = None
    while True:
        page = {"id": session_id, "first": min(first - len(nodes), _PAGE), "after": after}
        response = run_operation(Operation(QUERY, page), target)
        spans = ((response.data or {}).get("session") or {}).get("spans")
        if spans is None:
            return response
        nodes += spans["nodes"]
        after = spans["pageInfo"]["endCursor"]
        if not spans["pageInfo"]["hasNextPage"] or len(nodes) >= first:
            del spans["pageInfo"]
            spans["nodes"] = nodes
            return response


def _explain(session: Mapping[str, Any] | None, response: CompareResponse, errors: Console) -> int:
    """Print why there are no spans, and return the exit code."""
    for message in dict.fromkeys(str(error.get("message")) for error in response.errors):
        _print_error(errors, message)
    if response.errors:
        codes = {error.get("extensions", {}).get("code") for error in response.errors}
        return WRONG_USAGE if codes & _USAGE_CODES else SOURCE_FAILED
    if session is None:
        _print_error(errors, "No source has a session with that ID.")
        return WRONG_USAGE
    _print_error(errors, f"Source {session['source']['name']!r} has no spans of this session.")
    return ANSWERED


def _write(session: Mapping[str, Any], form: SpansFormat, console: Console) -> None:
    if form == "json":
        console.file.write(orjson.dumps(session, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = as_table(session)
    # A narrow terminal wraps names: a truncated figure would be wrong.
    console.width = max(console.width, console.measure(table, options=console.options.update_width(_WIDE)).minimum)
    console.print(table)


def as_table(session: Mapping[str, Any]) -> Table:
    """Return the tree with one line for each span."""
    spans = session["spans"]
    name = printable_line(session["name"] or session["vendorId"])
    table = Table(
        title=Text(f"{name} ({session['source']['name']}): {spans['totalCount']} spans"),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("span", overflow="fold", min_width=16)
    table.add_column("kind")
    for heading in ("ms", "tokens", "USD"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("error", overflow="fold")
    for branch, span in zip(branches([span["depth"] for span in spans["nodes"]]), spans["nodes"], strict=True):
        table.add_row(*_cells(branch, span), style="red" if span["status"] == "ERROR" else None)
    return table


def branches(depths: Sequence[int]) -> list[str]:
    """Return the lines of a tree before each node, for nodes depth first.

    Args:
        depths: The depth of each node; a node is one deeper than its parent.
    """
    goes_on: dict[int, bool] = {}
    lines: list[str] = []
    for depth in reversed(depths):  # from the end, to know whether a sibling follows
        shown = min(depth, _MAX_INDENT)
        above = ["│ " if goes_on.get(level) else "  " for level in range(1, shown)]
        own = ["├ " if goes_on.get(shown) else "└ "] if shown else []
        lines.append("".join([*above, *own]))
        goes_on = {level: is_open for level, is_open in goes_on.items() if level < shown} | {shown: True}
    return lines[::-1]


def _cells(branch: str, span: Mapping[str, Any]) -> list[str | Text]:
    detail = span["model"] or span["toolName"]
    name = printable_line(span["name"] or span["kind"].lower())
    label = Text.assemble(branch, name)
    if detail and printable_line(detail) not in name:
        label.append(f" {printable_line(detail)}", "dim")
    return [
        label,
        span["kind"].lower(),
        _figure(span["latencyMs"], ",.1f"),
        _tokens(span["tokens"]),
        _figure(span["costUsd"], ",.6f"),
        Text(printable_line(span["error"] or "")),
    ]


def _tokens(usage: Mapping[str, Any] | None) -> str:
    """Return the total, with input and output where they are known."""
    if usage is None or usage["total"] is None:
        return "-"
    parts = [usage["input"], usage["output"]]
    if None in parts:
        return f"{usage['total']:,}"
    return f"{usage['total']:,} ({parts[0]:,}+{parts[1]:,})"


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _print_error(errors: Console, message: str) -> None:
    errors.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
