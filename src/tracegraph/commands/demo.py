"""`tracegraph demo`: start the vendors and a gateway, then print a first query with its result and addresses."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tracegraph.app import create_app
from tracegraph.commands.real_servers import RealVendors, real_vendors
from tracegraph.config.settings import LogSettings, Settings
from tracegraph.observability.logging import configure_logs
from tracegraph.server.listening import endpoint_url, listen
from tracegraph.server.run import build_server
from tracegraph.simulators.vendors import DEFAULT_DIALECTS, DemoVendors, Dialects, demo_vendors

_HOST = "127.0.0.1"


FIRST_QUERY = """\
{
  experiments(first: 8) {
    nodes {
      name createdAt sessionCount
      source { vendor }
      latency: aggregate(metric: {kind: LATENCY}) { median }
      cost: aggregate(metric: {kind: COST}) { sum }
      sessions(first: 3) { nodes { status latencyMs } }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
EVALUATIONS = """\
{ experiments(filter: {kinds: [EVALUATION], name: {in: ["prompt-v4", "prompt-v5"]}},
  orderBy: {field: NAME, direction: ASC}) {
  nodes { id }
} }"""


def run_demo(port: int, dialects: Dialects = DEFAULT_DIALECTS, environments: Path | None = None) -> None:
    """Serve until Ctrl-C.

    Args:
        port: The gateway's port.
        dialects: What the simulated vendors speak.
        environments: The folder in which MLflow and Phoenix are installed, to run them too. None for neither.

    Raises:
        ConfigurationError: The port is in use, or a real server is not installed or does not start.
    """
    configure_logs(LogSettings(level="warning"))
    listener = listen(_HOST, port)
    started = nullcontext(()) if environments is None else real_vendors(environments)
    with listener, demo_vendors(dialects=dialects) as vendors, started as real:
        server = build_server(create_app(demo_settings(vendors, real)))
        asyncio.run(_serve(server, listener, endpoint_url(listener, _HOST), vendors, real))


def demo_settings(vendors: DemoVendors, real: RealVendors = ()) -> Settings:
    """Return the configuration for the simulated vendors and the real servers."""
    return Settings.model_validate(
        {
            "server": {"drain_s": 0},  # no load balancer is in front
            "sources": {
                "nemo": {"vendor": "nemo", "base_url": vendors.nemo_url, "workspace": vendors.nemo_workspace},
                "langsmith": {
                    "vendor": "langsmith",
                    "base_url": vendors.langsmith_url,
                    "api_key": SecretStr(vendors.langsmith_api_key),
                    "limits": {"rates": {"runs/query": "off", "*": "off"}},  # the simulator has no rate limits
                },
                "meibel": {
                    "vendor": "meibel",
                    "base_url": vendors.meibel_url,
                    "api_key": SecretStr(vendors.meibel_api_key),
                },
                **{one.name: {"vendor": one.name, "base_url": one.url} for one in real},
            },
        }
    )


async def _serve(server: Any, listener: Any, url: str, vendors: DemoVendors, real: RealVendors) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has an attribute and no event
        await asyncio.sleep(0.02)
    if not serving.done():
        # The content of real servers is the newest: a longer list shows all vendors.
        query = FIRST_QUERY.replace("first: 8", "first: 16") if real else FIRST_QUERY
        response = await asyncio.to_thread(_send, url, query)
        compared = await asyncio.to_thread(_send, url, EVALUATIONS) if real else None
        _show(url, query, response, vendors, real)
        if compared is not None:
            _show_comparison(url, compared)
    await serving


def _send(url: str, query: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        url, json.dumps({"query": query}).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        payload: dict[str, Any] = json.load(response)
        return payload


def _show(url: str, query: str, response: dict[str, Any], vendors: DemoVendors, real: RealVendors) -> None:
    console = Console()
    console.print("\n[bold]Tracegraph[/] over three simulated vendors: NeMo Intake, LangSmith, Meibel.")
    if real:
        console.print("And over real servers:\n")
    for one in real:
        console.print(f"  {one.url}  real {one.title}", highlight=False)
    console.print()
    console.print("A first query:\n")
    console.print(query, markup=False, highlight=False)
    table = Table(title="\nand its result", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("vendor", no_wrap=True)
    table.add_column("experiment", overflow="fold", min_width=22)
    table.add_column("created", no_wrap=True)
    for heading in ("sessions", "median ms", "USD"):
        table.add_column(heading, justify="right", no_wrap=True)
    for node in response["data"]["experiments"]["nodes"]:
        table.add_row(*_row(node))
    console.print(table)
    faults = vendors.nemo_url + "/__faults"
    console.print(
        "Make a vendor hang and send the query again; -X DELETE stops it (docs/reliability.md has more):\n"
    )
    console.print(f"""  curl {faults} -d '{{"kind": "hang", "times": null}}'\n""", markup=False, highlight=False)
    console.print(f"Query it in the playground: {url}\n")
    pages = url.removesuffix("graphql")
    console.print(f"Look at it in a browser: [bold]{pages}[/]   (Ctrl-C ends the demo)\n")


def _show_comparison(url: str, response: dict[str, Any]) -> None:
    """Print the command that compares the evaluations of the real servers."""
    ids = [node["id"] for node in response["data"]["experiments"]["nodes"]]
    console = Console()
    console.print("Compare a run of MLflow with an experiment of Phoenix over the same questions:\n")
    command = f"  tracegraph compare {' '.join(ids)} --join-on INPUT --metric score:correctness --url {url}"
    console.print(f"{command}\n", markup=False, highlight=False, soft_wrap=True)


def _row(node: dict[str, Any]) -> list[str]:
    return [
        node["source"]["vendor"],
        node["name"],
        (node["createdAt"] or "-")[:10],
        _figure(node["sessionCount"], ",d"),
        _figure((node["latency"] or {}).get("median"), ",.0f"),
        _figure((node["cost"] or {}).get("sum"), ".4f"),
    ]


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
