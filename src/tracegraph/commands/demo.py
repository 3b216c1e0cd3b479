"""`tracegraph demo`: start the simulated vendors and a gateway, and print a first query and addresses."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

from pydantic import SecretStr
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tracegraph.app import create_app
from tracegraph.config.settings import LogSettings, Settings
from tracegraph.observability.logging import configure_logs
from tracegraph.server.run import build_server, endpoint_url, listen
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


def run_demo(port: int, dialects: Dialects = DEFAULT_DIALECTS) -> None:
    """Serve until Ctrl-C. Raise ConfigurationError when the port is in use."""
    configure_logs(LogSettings(level="warning"))
    listener = listen(_HOST, port)
    with demo_vendors(dialects=dialects) as vendors:
        server = build_server(create_app(demo_settings(vendors)))
        asyncio.run(_serve(server, listener, endpoint_url(listener, _HOST), vendors))


def demo_settings(vendors: DemoVendors) -> Settings:
    """Return the configuration for the simulated vendors."""
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
            },
        }
    )


async def _serve(server: Any, listener: Any, url: str, vendors: DemoVendors) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has an attribute and no event
        await asyncio.sleep(0.02)
    if not serving.done():
        response = await asyncio.to_thread(_send_first_query, url)
        _show(url, response, vendors)
    await serving


def _send_first_query(url: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        url, json.dumps({"query": FIRST_QUERY}).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        payload: dict[str, Any] = json.load(response)
        return payload


def _show(url: str, response: dict[str, Any], vendors: DemoVendors) -> None:
    console = Console()
    console.print("\n[bold]Tracegraph[/] over three simulated vendors: NeMo Intake, LangSmith, Meibel.\n")
    console.print("A first query:\n")
    console.print(FIRST_QUERY, markup=False, highlight=False)
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
